"""fastgrad's functions inside users' ``@numba.njit`` functions: activations of scalars and arrays, layers, weights.

Numba finds :func:`register` through the entry point ``numba_extensions`` and calls it before it first compiles.
"""

# Design: - Of a number a call becomes the formula itself, inlined into the caller's loop and vectorised with it.
#         - Of arrays it is a call of the compiled kernel, by a name that is registered in every process, so that code
#           that Numba has cached finds it again. LLVM keeps to vectors of 256 bits and to one at a time: the formula in
#           a loop took 1.2 to 2 times as long (Zen 4; value and derivative of tanh 2.1).
#         - Arrays that C cannot read as they are, by type or strides, are copied; results are new C-ordered arrays, as
#           with NumPy's functions under Numba. There is no ``out=`` or ``where=``.
#         - Numba calls register() in every process that compiles anything, fastgrad used or not. So it is short, and
#           kernels.jit is imported only when a call is compiled.


def register() -> None:
    """Register the public functions with Numba: activations, layers and initial weights."""
    from fastgrad.in_numba import activations, layers, table, weights

    table.name_the_functions()
    for module in (activations, layers, weights):
        module.register()
