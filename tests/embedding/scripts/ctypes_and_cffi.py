"""The C functions called through ctypes and cffi, without a compiler."""

import cffi
import numpy as np

from fastgrad import ffi

TANH = ffi.ACTIVATION_NUMBERS["tanh"]


def by_ctypes(z):
    """tanh(z) of a contiguous float64 array."""
    y = np.empty_like(z)
    ffi.table().value(TANH, z.itemsize, z.size, z.ctypes.data, 0.0, y.ctypes.data)
    return y


def by_cffi(z):
    """The same; cffi reads the declarations from the header."""
    c = cffi.FFI()
    c.cdef(ffi.declarations())
    table = c.cast("const fastgrad_table *", ffi.table_address())
    y = np.empty_like(z)
    number = c.typeof("enum fastgrad_activation").relements["FASTGRAD_TANH"]
    table.value(number, z.itemsize, z.size, c.from_buffer(z), 0.0, c.from_buffer(y, require_writable=True))
    return y


if __name__ == "__main__":
    z = np.linspace(-2, 2, 5)
    print(by_ctypes(z), by_cffi(z))
