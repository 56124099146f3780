"""The asv suite: speed, memory, accuracy and the decay of gradients, over the history of the repository.

One thread each; a machine that sets these itself keeps its setting.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
