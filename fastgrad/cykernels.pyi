"""For Cython: see ``cykernels.pxd``. There is nothing to call from Python."""
