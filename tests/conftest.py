"""One BLAS thread for all tests: at these sizes two are no faster, and on a busy machine ten times slower."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
