"""The compiled backend: C kernels for the processor at hand, as NumPy ufuncs.

``FASTGRAD_CPU=baseline|avx2|avx512|neon|scalar`` chooses an instruction set; :func:`runtime` tells which one is used.
"""

import contextlib
import os

cimport numpy as cnp

from fastgrad import formulas
from fastgrad._errors import unknown

cdef extern from "fastgrad/kernels.h" nogil:
    ctypedef void (*fg_one_f32)(size_t, const float *, float, float *) noexcept
    ctypedef void (*fg_one_f64)(size_t, const double *, double, double *) noexcept
    ctypedef void (*fg_two_f32)(size_t, const float *, float, float *, float *) noexcept
    ctypedef void (*fg_two_f64)(size_t, const double *, double, double *, double *) noexcept
    ctypedef struct fg_kernels_f32:
        fg_one_f32 value[5]
        fg_one_f32 derivative[5]
        fg_two_f32 both[5]
    ctypedef struct fg_kernels_f64:
        fg_one_f64 value[5]
        fg_one_f64 derivative[5]
        fg_two_f64 both[5]
    ctypedef struct fg_set:
        const char *name
        const fg_kernels_f32 *f32
        const fg_kernels_f64 *f64
    const fg_set fg_all_sets[8]
    int fg_runs(const fg_set *set)

cdef extern from "ufuncs.h":
    object fg_make_ufunc(const fg_set *set, int kind, int activation, int with_parameter, double parameter,
                         const char *name, const char *doc)

cdef extern from *:
    """
    enum { FG_SETS = sizeof fg_all_sets / sizeof *fg_all_sets };
    """
    const int FG_SETS

cnp.import_array()
cnp.import_ufunc()

_KINDS = ("value", "derivative", "value_and_derivative")
_keep = []  # the C strings of ufuncs, which NumPy does not copy


def _ufunc(int index, int kind, name, with_parameter, parameter):
    """The ufunc of one kind, activation and instruction set; bound to ``parameter`` unless it takes one."""
    formula = (formulas.DERIVATIVES if kind == 1 else formulas.VALUES)[name]
    label = name if kind == 0 else f"{name}_{_KINDS[kind]}"
    label = (f"{label}_of_{formulas.PARAMETERS[name][0]}" if with_parameter else label).encode()
    doc = formula.__doc__.encode()
    _keep.extend((label, doc))
    number = list(formulas.VALUES).index(name)
    return fg_make_ufunc(&fg_all_sets[index], kind, number, with_parameter, parameter, label, doc)


def _ufuncs(int index):
    """The ufuncs of one instruction set.

    ``kind, name`` takes the activation's parameter, if it has one, as its second operand; ``kind, name, "default"`` has
    its default; ``"exponential"`` is the exp under them, for arguments at most 0.
    """
    made = {"exponential": fg_make_ufunc(&fg_all_sets[index], 3, 0, 0, 0.0, b"exponential", b"e^x, x <= 0.")}
    for kind, kind_name in enumerate(_KINDS):
        for name in formulas.VALUES:
            default = formulas.PARAMETERS.get(name, (None, 0.0))[1]
            bound = _ufunc(index, kind, name, False, default)
            made[kind_name, name, "default"] = bound
            made[kind_name, name] = _ufunc(index, kind, name, True, 0.0) if name in formulas.PARAMETERS else bound
    return made


# Every instruction set of this build that this processor runs, the best first.
SETS = {fg_all_sets[i].name.decode(): _ufuncs(i) for i in range(FG_SETS) if fg_runs(&fg_all_sets[i])}


def _chosen():
    asked = os.environ.get("FASTGRAD_CPU")
    if not asked:
        return next(iter(SETS))
    built = [fg_all_sets[i].name.decode() for i in range(FG_SETS)]
    if asked not in built:
        raise unknown("instruction set in FASTGRAD_CPU", asked, built)
    if asked not in SETS:
        raise ValueError(f"FASTGRAD_CPU={asked}: this processor does not run {asked}; it runs {', '.join(SETS)}")
    return asked


CPU = _chosen()
UFUNCS = SETS[CPU]

# Each also stands in this module under its own name, which is how pickle (and so dask) finds it again.
for _ufunc in UFUNCS.values():
    globals()[_ufunc.__name__] = _ufunc
    with contextlib.suppress(AttributeError):  # before NumPy 2.2 ufuncs take no attributes and pickle searches
        _ufunc.__module__ = __name__


cdef const fg_set *active = &fg_all_sets[[fg_all_sets[i].name.decode() for i in range(FG_SETS)].index(CPU)]


cdef void value_f32(Activation phi, size_t n, const float *z, float parameter, float *y) noexcept nogil:
    active.f32.value[<int>phi](n, z, parameter, y)


cdef void value_f64(Activation phi, size_t n, const double *z, double parameter, double *y) noexcept nogil:
    active.f64.value[<int>phi](n, z, parameter, y)


cdef void derivative_f32(Activation phi, size_t n, const float *z, float parameter, float *d) noexcept nogil:
    active.f32.derivative[<int>phi](n, z, parameter, d)


cdef void derivative_f64(Activation phi, size_t n, const double *z, double parameter, double *d) noexcept nogil:
    active.f64.derivative[<int>phi](n, z, parameter, d)


cdef void value_and_derivative_f32(Activation phi, size_t n, const float *z, float parameter, float *y,
                                   float *d) noexcept nogil:
    active.f32.both[<int>phi](n, z, parameter, y, d)


cdef void value_and_derivative_f64(Activation phi, size_t n, const double *z, double parameter, double *y,
                                   double *d) noexcept nogil:
    active.f64.both[<int>phi](n, z, parameter, y, d)


def runtime() -> dict:
    """Which kernels run here: ``cpu`` (the set in use), ``available`` (those this processor runs), ``built``."""
    built = [fg_all_sets[i].name.decode() for i in range(FG_SETS)]
    return {"cpu": CPU, "available": list(SETS), "built": built}


def value(name, z, parameter=None, out=None):
    """phi(z) of the named activation, elementwise."""
    ufunc = UFUNCS["value", name]
    return ufunc(z, out=out) if parameter is None else ufunc(z, parameter, out=out)


def derivative(name, z, parameter=None, out=None):
    """phi'(z) of the named activation, elementwise."""
    ufunc = UFUNCS["derivative", name]
    return ufunc(z, out=out) if parameter is None else ufunc(z, parameter, out=out)


def value_and_derivative(name, z, parameter=None, out=(None, None)):
    """phi(z) and phi'(z) in one pass."""
    ufunc = UFUNCS["value_and_derivative", name]
    return ufunc(z, out=out) if parameter is None else ufunc(z, parameter, out=out)
