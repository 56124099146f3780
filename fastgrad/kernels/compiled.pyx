"""The compiled backend: C kernels for the processor at hand, as NumPy ufuncs.

``FASTGRAD_CPU=baseline|avx2|avx512|neon|scalar`` chooses an instruction set; :func:`runtime` tells which one is used.
"""

import contextlib
import os

cimport numpy as cnp
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t
from libc.string cimport memset

import numpy as np

from fastgrad import formulas
from fastgrad._errors import unknown

cdef extern from "fastgrad/kernels.h" nogil:
    ctypedef void (*fg_one_f32)(size_t, const float *, float, float *) noexcept
    ctypedef void (*fg_one_f64)(size_t, const double *, double, double *) noexcept
    ctypedef void (*fg_two_f32)(size_t, const float *, float, float *, float *) noexcept
    ctypedef void (*fg_two_f64)(size_t, const double *, double, double *, double *) noexcept
    ctypedef struct fg_network:
        size_t layers, batch, ld
        const size_t *sizes
        const void *const *weights
        const void *const *biases
        int activation
        double parameter, threshold
        const int64_t *labels
        const void *targets
        int measured
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
    ctypedef struct fg_kernels_f32:
        fg_one_f32 value[5]
        fg_one_f32 derivative[5]
        fg_two_f32 both[5]
        int (*network)(const fg_kernels_f32 *, fg_network *) noexcept nogil
        size_t (*train)(const fg_kernels_f32 *, fg_training *) noexcept nogil
        size_t width
    ctypedef struct fg_kernels_f64:
        fg_one_f64 value[5]
        fg_one_f64 derivative[5]
        fg_two_f64 both[5]
        int (*network)(const fg_kernels_f64 *, fg_network *) noexcept nogil
        size_t (*train)(const fg_kernels_f64 *, fg_training *) noexcept nogil
        size_t width
    const int FG_PANEL
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

_NUMBERS = {name: number for number, name in enumerate(formulas.VALUES)}
_KINDS = ("value", "derivative", "value_and_derivative")
_DOC = """{summary}

Parameters
----------
x : array_like
    Pre-activations, of any shape. float32 stays float32, any other real type is computed in float64.
out, where, **kwargs
    As for every NumPy ufunc.

Returns
-------
ndarray or scalar
    Of the shape of x. NaN stays NaN; infinities give the limits. No floating-point warnings.

Raises
------
TypeError
    If x is complex, or holds objects or text.
"""
_keep = []  # the C strings of ufuncs, which NumPy does not copy


def _ufunc(int index, int kind, name, with_parameter, parameter):
    """The ufunc of one kind, activation and instruction set; bound to ``parameter`` unless it takes one."""
    formula = (formulas.DERIVATIVES if kind == 1 else formulas.VALUES)[name]
    label = name if kind == 0 else f"{name}_{_KINDS[kind]}"
    label = (f"{label}_of_{formulas.PARAMETERS[name][0]}" if with_parameter else label).encode()
    doc = _DOC.format(summary=formula.__doc__).encode()
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


cdef const fg_set *_set_of(cpu):
    for i in range(FG_SETS):
        if fg_all_sets[i].name.decode() == cpu:
            return &fg_all_sets[i]


cdef const fg_set *active = _set_of(CPU)


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


STATISTICS = ("signal_squares", "signal_top", "saturated", "dead", "delta_squares", "delta_top", "gradient_squares")


def network_pass(weights, biases, name, parameter, double threshold, X, y, bint cross_entropy, bint measured,
                 bint gradients, cpu=CPU):
    """Forward, loss and backward of a whole network in one call without the GIL.

    Nothing is checked: ``weights``, ``biases`` and ``X`` are C-contiguous arrays of one dtype that fit each other, ``y``
    holds int64 labels or targets of that dtype. ``threshold`` is the derivative below which a number is saturated;
    ``cpu`` the instruction set.

    Returns
    -------
    loss : float
    statistics : ndarray, shape (7, layers)
        Rows as in ``STATISTICS``; those of delta and dL/dW in units of ``2**exponents``. Zero unless ``measured``.
    exponents : ndarray of int64, shape (layers,)
    dweights, dbiases : list of ndarray, empty unless ``gradients``

    None if the signal leaves the range of ordinary numbers while it is measured.
    """
    cdef size_t layers = len(weights), batch = X.shape[0], inputs = X.shape[1], l
    cdef bint single = X.dtype == np.float32
    cdef const fg_set *chosen = _set_of(cpu)
    cdef size_t width = chosen.f32.width if single else chosen.f64.width
    cdef size_t item = 4 if single else 8
    cdef size_t ld = (batch + width - 1) // width * width, widest = inputs
    cdef cnp.ndarray statistics = np.zeros((len(STATISTICS), layers)), exponents = np.zeros(layers, np.int64)
    cdef cnp.ndarray room, log_p, targets = y
    cdef list dweights = [np.empty_like(w) for w in weights] if gradients else []
    cdef list dbiases = [np.empty_like(b) for b in biases] if gradients else []
    cdef double *rows = <double *>statistics.data
    cdef fg_network net
    cdef int failed
    cdef void **table = <void **>PyMem_Malloc((7 * layers + 1) * sizeof(void *))
    if not table:
        raise MemoryError
    try:
        net.layers, net.batch, net.ld = layers, batch, ld
        net.sizes = <const size_t *>(table + 6 * layers)
        net.x, net.d = table, table + layers
        net.weights, net.biases = <const void *const *>(table + 2 * layers), <const void *const *>(table + 3 * layers)
        net.dweights = table + 4 * layers if gradients else NULL
        net.dbiases = table + 5 * layers if gradients else NULL
        _sizes(layers, inputs, weights, <size_t *>(table + 6 * layers))
        for l in range(layers):
            widest = max(widest, net.sizes[l + 1])
            table[2 * layers + l] = (<cnp.ndarray>weights[l]).data
            table[3 * layers + l] = (<cnp.ndarray>biases[l]).data
            if gradients:
                table[4 * layers + l] = (<cnp.ndarray>dweights[l]).data
                table[5 * layers + l] = (<cnp.ndarray>dbiases[l]).data
        room = np.empty(_lay_out(&net, NULL, item, width, widest), np.uint8)
        _lay_out(&net, room.data, item, width, widest)
        _first_input(X, room, <size_t>net.x[0] - <size_t>room.data, ld)
        memset(net.delta, 0, net.sizes[layers] * ld * item)
        log_p = np.empty(batch * net.sizes[layers])
        net.activation = _NUMBERS[name]
        net.parameter, net.threshold = parameter or 0.0, threshold
        net.labels = <const int64_t *>targets.data if cross_entropy else NULL
        net.targets = targets.data
        net.measured = measured
        net.log_p = <double *>log_p.data
        net.signal_squares, net.signal_top = rows, rows + layers
        net.saturated, net.dead = rows + 2 * layers, rows + 3 * layers
        net.delta_squares, net.delta_top, net.gradient_squares = rows + 4 * layers, rows + 5 * layers, rows + 6 * layers
        net.delta_exponent = <int64_t *>exponents.data
        with nogil:
            failed = chosen.f32.network(chosen.f32, &net) if single else chosen.f64.network(chosen.f64, &net)
    finally:
        PyMem_Free(table)
    return None if failed else (net.loss, statistics, exponents, dweights, dbiases)


cdef void _sizes(size_t layers, size_t inputs, list weights, size_t *sizes):
    """n_in, n_1, ..., n_out."""
    cdef size_t l
    sizes[0] = inputs
    for l in range(layers):
        sizes[l + 1] = cnp.PyArray_DIM(<cnp.ndarray>weights[l], 1)


cdef size_t _lay_out(fg_network *net, char *start, size_t item, size_t width, size_t widest):
    """Give every array of the pass its place from ``start`` on, each on a cache line; the bytes that takes."""
    cdef size_t l, at = -<size_t>start % 64, ld = net.ld
    for l in range(net.layers):
        net.x[l] = start + at
        at += _lines(net.sizes[l] * ld * item)
    for l in range(net.layers - 1):
        net.d[l] = start + at
        at += _lines(net.sizes[l + 1] * ld * item)
    net.outputs = start + at
    at += _lines(net.sizes[net.layers] * ld * item)
    net.delta = start + at
    at += _lines(widest * ld * item)
    net.other = start + at
    at += _lines(widest * ld * item)
    net.scratch = start + at
    at += _lines(max(2 * FG_PANEL * ld, (net.batch + FG_PANEL) * (widest + width)) * item)
    return at + 64


cdef inline size_t _lines(size_t size):
    """``size`` bytes rounded up to cache lines."""
    return (size + 63) // 64 * 64


def _first_input(X, room, size_t at, size_t ld):
    """X transposed to where the pass reads it, 0 beyond the batch."""
    x = room[at : at + X.shape[1] * ld * X.itemsize].view(X.dtype).reshape(X.shape[1], ld)
    x[:, : len(X)] = X.T
    x[:, len(X) :] = 0


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


include "training.pxi"
