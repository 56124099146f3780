"""The compiled backend: C kernels for the processor at hand, as NumPy ufuncs.

``FASTGRAD_CPU=baseline|avx2|avx512|neon|scalar`` chooses an instruction set; :func:`runtime` tells which one is used.
"""

import contextlib
import os

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport INFINITY, ceil, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from fastgrad import formulas
from fastgrad._validation import unknown
from fastgrad.kernels.memory import aligned
from fastgrad.signatures import numpy_document

cdef extern from "fastgrad/kernels.h" nogil:
    ctypedef struct fg_network:
        size_t layers, batch, ld
        const size_t *sizes
        const void *const *weights
        const void *const *biases
        int activation
        double parameter, threshold
        const void *inputs
        int cross_entropy
        const void *targets
        int measured
        size_t block
        void **x
        void **d
        void *outputs
        void *delta
        void *other
        void *scratch
        double *log_p
        double loss
        double *signal_squares
        double *signal_top
        double *saturated
        double *dead
        double *delta_squares
        double *delta_top
        double *gradient_squares
        double *weight_top
        double *bias_top
        int64_t *delta_exponent
        void **dweights
        void **dbiases
    ctypedef struct fg_training:
        fg_network *net
        const void *inputs
        const void *targets
        const int64_t *rows
        size_t count
        void *batch_inputs
        void *batch_targets
        int optimizer
        double rate, weight_decay
        double options[3]
        void *w
        void *g
        void *kept[2]
        size_t parameters, decaying
        int64_t step
        double loss
        int64_t correct
    ctypedef struct fg_dense:
        size_t batch, fan_in, fan_out
        const void *x
        const void *weight
        const void *bias
        void *scratch
        void *gemm
    ctypedef struct fg_kernels:
        size_t item, width
        void (*both[8])(size_t, const void *, double, void *, void *) noexcept nogil
        int (*network)(const fg_kernels *, fg_network *) noexcept nogil
        double (*largest)(size_t, const void *) noexcept nogil
        size_t (*train)(const fg_kernels *, fg_training *) noexcept nogil
        void (*dense_forward)(const fg_kernels *, const fg_dense *, int, double, void *, void *) noexcept nogil
        void (*dense_backward)(const fg_dense *, const void *, const void *, void *, void *, void *,
                               void *) noexcept nogil
        size_t (*dense_scratch)(size_t, size_t, size_t, int) noexcept nogil
        void (*fill)(const uint32_t *, uint32_t, int, double, uint64_t, size_t, void *) noexcept nogil
        double (*multiply_add)(size_t, double) noexcept nogil
    const int FG_DRAWN, FG_WINDOW, FG_LARGEST_WEIGHT
    const double FG_LOWEST_LOG
    ctypedef struct fg_set:
        const char *name
    const fg_set fg_all_sets[]
    int fg_runs(const fg_set *set)
    const fg_set *fg_find(const char *name)
    const fg_kernels *fg_of(const fg_set *set, size_t item)

cdef extern from "fastgrad/fastgrad.h":
    const void *fastgrad_open(const char *cpu)

cdef extern from "fastgrad/pass.h":
    size_t fastgrad_furnish(fg_network *net, char *room, const fg_kernels *kernels)
    void *fastgrad_aligned(void *room)
    int fastgrad_summarise(const fg_network *net, double *rows) noexcept nogil
    const int FG_SUMMARY, FG_LOG2_DELTA_TOP
    const int FG_STATISTICS

cdef extern from "fastgrad/abi.h":
    ctypedef struct fastgrad_table:
        int (*value_and_derivative)(int activation, size_t item, size_t n, const void *z, double parameter, void *y,
                                    void *d) noexcept nogil

cdef extern from "ufuncs.h":
    void fg_clear_flags() noexcept nogil
    object fg_make_ufunc(const fg_set *set, int kind, int activation, int with_parameter, double parameter,
                         const char *name, const char *doc)

cnp.import_array()
cnp.import_ufunc()

_NUMBERS = {name: number for number, name in enumerate(formulas.VALUES)}
_KINDS = ("value", "derivative", "value_and_derivative")
_keep = []  # the C strings of ufuncs, which NumPy does not copy


def _ufunc(int index, int kind, name, with_parameter, parameter):
    """The ufunc of one kind, activation and instruction set; bound to ``parameter`` unless it takes one."""
    formula = (formulas.DERIVATIVES if kind == 1 else formulas.VALUES)[name]
    label = name if kind == 0 else f"{name}_{_KINDS[kind]}"
    label = (f"{label}_of_{formulas.PARAMETERS[name][0]}" if with_parameter else label).encode()
    doc = numpy_document(formula.__doc__).encode()
    _keep.extend((label, doc))
    return fg_make_ufunc(&fg_all_sets[index], kind, _NUMBERS[name], with_parameter, parameter, label, doc)


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


cdef list _built():
    """The names of the instruction sets of this build, the best first."""
    cdef list names = []
    while fg_all_sets[len(names)].name:
        names.append(fg_all_sets[len(names)].name.decode())
    return names


_BUILT = _built()
# Those that this processor runs.
SETS = {name: _ufuncs(i) for i, name in enumerate(_BUILT) if fg_runs(&fg_all_sets[i])}


def _chosen():
    asked = os.environ.get("FASTGRAD_CPU")
    if not asked:
        return next(iter(SETS))
    if asked not in _BUILT:
        raise unknown("instruction set in FASTGRAD_CPU", asked, _BUILT)
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


cdef const fg_kernels *_kernels(cpu, size_t item) except NULL:
    """The functions of an instruction set of ``SETS`` for numbers of so many bytes."""
    cdef const fg_set *found = active if cpu is None else fg_find(cpu.encode())
    if not found:
        raise unknown("instruction set", cpu, tuple(SETS))
    return fg_of(found, item)


cdef const fg_set *active = fg_find(CPU.encode())

# What C code of other projects gets, under the name that fastgrad_import() looks for: see include/fastgrad/capsule.h.
cdef const fastgrad_table *_table = <const fastgrad_table *>fastgrad_open(CPU.encode())
C_API = PyCapsule_New(<void *>_table, b"fastgrad._C_API", NULL)


def value_and_derivative_at(int activation, size_t item, size_t n, size_t z, double parameter, size_t y, size_t d):
    """The table's function of that name, with addresses, for fastgrad.torch: a call by ctypes takes 2 us longer."""
    cdef int status
    with nogil:
        status = _table.value_and_derivative(activation, item, n, <const void *>z, parameter, <void *>y, <void *>d)
    return status


cdef inline bint _plain(array, int dimensions, int type):
    """Whether this is an array that C code reads as it is."""
    return (
        cnp.PyArray_CheckExact(array)
        and cnp.PyArray_NDIM(<cnp.ndarray>array) == dimensions
        and cnp.PyArray_TYPE(<cnp.ndarray>array) == type
        and cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>array)
    )


include "passes.pxi"


# Above so many products of a layer NumPy's BLAS, which packs its operands, is faster than our blocks; at it they are
# equal (256 samples, 512 to 512: 0.95 and 0.95 ms; 512 samples, 1024 to 1024: 11.5 and 7.4 ms).
MOST_PRODUCTS = 2**26
_DEFAULTS = {name: formulas.PARAMETERS.get(name, (None, 0.0))[1] for name in formulas.VALUES}


cdef object _dense(fg_dense *layer, x, weight, cpu, int backward, const fg_kernels **kernels):
    """Fill in ``layer`` but for its bias, and ``kernels``: its scratch if all is plain, or None."""
    cdef int type
    cdef size_t scratch
    if not cnp.PyArray_CheckExact(x):
        return None
    type = cnp.PyArray_TYPE(<cnp.ndarray>x)
    if type not in (cnp.NPY_FLOAT, cnp.NPY_DOUBLE) or not (_plain(x, 2, type) and _plain(weight, 2, type)):
        return None
    layer.batch, layer.fan_in = cnp.PyArray_DIM(x, 0), cnp.PyArray_DIM(x, 1)
    layer.fan_out = cnp.PyArray_DIM(weight, 1)
    if <size_t>cnp.PyArray_DIM(weight, 0) != layer.fan_in or not layer.batch or not layer.fan_in or not layer.fan_out:
        return None
    if layer.batch * layer.fan_in * layer.fan_out > <size_t>MOST_PRODUCTS:
        return None
    layer.x, layer.weight, layer.gemm = (<cnp.ndarray>x).data, (<cnp.ndarray>weight).data, NULL
    kernels[0] = _kernels(cpu, cnp.PyArray_ITEMSIZE(<cnp.ndarray>x))
    scratch = kernels[0].item * kernels[0].dense_scratch(layer.batch, layer.fan_in, layer.fan_out, backward)
    room = _room(scratch) if scratch else ()
    layer.scratch = (<cnp.ndarray>room).data if scratch else NULL
    return room


def dense_forward(x, weight, bias, name, parameter=None, out=None, cpu=None):
    """y and d of one layer, as ``fastgrad.dense_forward``, or None for what is better left to BLAS and NumPy.

    That is a layer of more than ``MOST_PRODUCTS``, or an array that is not as C code reads it. ``out`` is None or a
    pair of arrays, ``parameter`` the activation's default unless it is given.
    """
    cdef fg_dense layer
    cdef const fg_kernels *kernels
    room = _dense(&layer, x, weight, cpu, False, &kernels)
    if room is None or name not in _NUMBERS:
        return None
    cdef int type = cnp.PyArray_TYPE(<cnp.ndarray>x), number = _NUMBERS[name]
    cdef double p = _DEFAULTS[name] if parameter is None else parameter
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = layer.batch, layer.fan_out
    if bias is None:
        bias = cnp.PyArray_ZEROS(1, &shape[1], type, 0)
    if not _plain(bias, 1, type) or cnp.PyArray_DIM(bias, 0) != shape[1]:
        return None
    layer.bias = (<cnp.ndarray>bias).data
    if out is None:
        y, d = cnp.PyArray_EMPTY(2, shape, type, 0), cnp.PyArray_EMPTY(2, shape, type, 0)
    else:
        if not isinstance(out, tuple) or len(out) != 2:
            return None
        y, d = out
        for array in out:
            if not (_plain(array, 2, type) and cnp.PyArray_DIM(array, 0) == shape[0]
                    and cnp.PyArray_DIM(array, 1) == shape[1]):
                return None
        if not _apart(out, (x, weight, bias)):
            return None
    cdef void *to_y = (<cnp.ndarray>y).data
    cdef void *to_d = (<cnp.ndarray>d).data
    with nogil:
        kernels.dense_forward(kernels, &layer, number, p, to_y, to_d)
    _give_back(room)
    return y, d


def dense_backward(dy, d, x, weight, out=None, cpu=None):
    """dx, dweight and dbias of one layer, as ``fastgrad.dense_backward``, or None as ``dense_forward``."""
    cdef fg_dense layer
    cdef const fg_kernels *kernels
    room = _dense(&layer, x, weight, cpu, True, &kernels)
    if room is None:
        return None
    cdef int type = cnp.PyArray_TYPE(<cnp.ndarray>x)
    cdef cnp.npy_intp fan_out = layer.fan_out
    for array in (dy, d):
        if not (_plain(array, 2, type) and <size_t>cnp.PyArray_DIM(array, 0) == layer.batch
                and cnp.PyArray_DIM(array, 1) == fan_out):
            return None
    if out is None:
        out = (cnp.PyArray_EMPTY(2, cnp.PyArray_DIMS(x), type, 0),
               cnp.PyArray_EMPTY(2, cnp.PyArray_DIMS(weight), type, 0),
               cnp.PyArray_EMPTY(1, &fan_out, type, 0))
    elif not isinstance(out, tuple) or len(out) != 3:
        return None
    dx, dweight, dbias = out
    if not (_plain(dx, 2, type) and _plain(dweight, 2, type) and _plain(dbias, 1, type)
            and cnp.PyArray_SAMESHAPE(dx, x) and cnp.PyArray_SAMESHAPE(dweight, weight)
            and cnp.PyArray_DIM(dbias, 0) == fan_out and _apart(out, (dy, d, x, weight))):
        return None
    dz = _room(cnp.PyArray_NBYTES(dy))
    cdef void *of_dy = (<cnp.ndarray>dy).data
    cdef void *of_d = (<cnp.ndarray>d).data
    cdef void *of_dz = (<cnp.ndarray>dz).data
    cdef void *to_x = (<cnp.ndarray>dx).data
    cdef void *to_w = (<cnp.ndarray>dweight).data
    cdef void *to_b = (<cnp.ndarray>dbias).data
    with nogil:
        kernels.dense_backward(&layer, of_dy, of_d, of_dz, to_x, to_w, to_b)
    _give_back(dz)
    _give_back(room)  # last, as it is asked for first: each gets its own memory again
    return out


cdef bint _apart(tuple outputs, tuple inputs):
    """Whether every output may be written to, and none overlaps another or an input; all of them are plain."""
    cdef cnp.ndarray one, two
    for i, array in enumerate(outputs):
        if not cnp.PyArray_ISWRITEABLE(array):
            return False
        one = array
        for other in outputs[:i] + inputs:
            two = other
            if one.data < two.data + cnp.PyArray_NBYTES(two) and two.data < one.data + cnp.PyArray_NBYTES(one):
                return False
    return True


DISTRIBUTIONS = ("uniform", "normal", "truncated")
DRAWN = FG_DRAWN
# What decay.py and losses.py share with the passes in C (set/network.h).
WINDOW, LARGEST_WEIGHT, LOWEST_LOG = FG_WINDOW, FG_LARGEST_WEIGHT, FG_LOWEST_LOG


def fill(cnp.ndarray out, const uint32_t[::1] key, uint32_t stream, distribution, double scale, uint64_t first=0,
         cpu=None):
    """Write to ``out`` the numbers ``first``, ``first + 1``, ... of a key's stream, times ``scale``, without the GIL.

    Nothing is checked: ``out`` is a C-contiguous array, float32 or float64, ``key`` has four numbers, ``first`` is a
    multiple of ``DRAWN``. ``"uniform"`` is on (-1, 1), ``"normal"`` has variance 1, and so has ``"truncated"`` before
    it is cut off at +-2.
    """
    cdef const fg_kernels *kernels = _kernels(cpu, out.itemsize)
    cdef int number = DISTRIBUTIONS.index(distribution)
    cdef size_t count = out.size
    with nogil:
        kernels.fill(&key[0], stream, number, scale, first, count, out.data)


def multiply_adds(size_t rounds, size_t item) -> int:
    """Do this many rounds of multiply-adds of ``item`` bytes that wait for nothing; how many operations they were."""
    cdef const fg_kernels *kernels = _kernels(None, item)
    with nogil:
        kernels.multiply_add(rounds, 1)
    return 2 * 12 * kernels.width * rounds


def runtime() -> dict:
    """Which kernels run here: ``cpu`` (the set in use), ``available`` (those this processor runs), ``built``."""
    return {"cpu": CPU, "available": list(SETS), "built": _BUILT}


def value(name, z, parameter=None, out=None):
    """phi(z) of the named activation, elementwise."""
    ufunc = UFUNCS["value", name]
    return ufunc(z, out=out) if parameter is None else ufunc(z, parameter, out=out)


def derivative(name, z, parameter=None, out=None):
    """phi'(z) of the named activation, elementwise."""
    ufunc = UFUNCS["derivative", name]
    return ufunc(z, out=out) if parameter is None else ufunc(z, parameter, out=out)


def value_and_derivative(name, z, parameter=None, out=(None, None)):
    """phi(z) and phi'(z) in one pass; without ``parameter`` with the default of one."""
    found = _both(name, _DEFAULTS[name] if parameter is None else parameter, z, out)
    if found is not None:
        return found
    if parameter is None:
        return UFUNCS["value_and_derivative", name, "default"](z, out=out)
    return UFUNCS["value_and_derivative", name](z, parameter, out=out)


cdef tuple _both(name, double parameter, x, out):
    """y and d of a plain array, into plain arrays apart from it or new ones; None for what is left to the ufunc.

    NumPy calls a ufunc of two outputs by an iterator, which costs .5 us more than its short way for those of one.
    """
    if not cnp.PyArray_CheckExact(x):
        return None
    cdef cnp.ndarray z = x
    cdef int type = cnp.PyArray_TYPE(z), dimensions = cnp.PyArray_NDIM(z), number = _NUMBERS[name]
    cdef size_t n = cnp.PyArray_SIZE(z)
    if not dimensions or (type != cnp.NPY_FLOAT and type != cnp.NPY_DOUBLE) or not cnp.PyArray_ISCARRAY_RO(z):
        return None
    if not isinstance(out, tuple) or len(out) != 2:
        return None
    y, d = out
    if y is None and d is None:
        y = cnp.PyArray_EMPTY(dimensions, cnp.PyArray_DIMS(z), type, 0)
        d = cnp.PyArray_EMPTY(dimensions, cnp.PyArray_DIMS(z), type, 0)
        out = (y, d)
    elif not (_plain(y, dimensions, type) and _plain(d, dimensions, type)
              and cnp.PyArray_SAMESHAPE(y, z) and cnp.PyArray_SAMESHAPE(d, z) and _apart(out, (x,))):
        return None
    cdef char *from_z = z.data
    cdef char *to_y = (<cnp.ndarray>y).data
    cdef char *to_d = (<cnp.ndarray>d).data
    cdef const fg_kernels *kernels = fg_of(active, cnp.PyArray_ITEMSIZE(z))
    if n > 500:  # as NumPy does: to give the GIL away costs more than so few numbers
        with nogil:
            kernels.both[number](n, from_z, parameter, to_y, to_d)
            fg_clear_flags()
    else:
        kernels.both[number](n, from_z, parameter, to_y, to_d)
        fg_clear_flags()
    return out


include "training.pxi"
