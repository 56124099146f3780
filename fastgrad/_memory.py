"""Memory that starts where vectors and cache lines do."""

import numpy as np

LINE = 64  # bytes


def aligned(size: int, dtype) -> np.ndarray:
    """Zeros that start on a cache line, as PyTorch's arrays do and NumPy's only by chance.

    Where an array starts changes the time of a cheap kernel by up to a third.
    """
    dtype = np.dtype(dtype)
    room = np.zeros(int(size) * dtype.itemsize + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + int(size) * dtype.itemsize].view(dtype)
