# Part of compiled.pyx: passes through whole networks.


# Design: room is kept for the next pass, as the system takes it back from the allocator and pages it in anew at every
#         call, which doubled the time of 50 layers of 64 units. Appending to a list and popping from it are atomic.
SPARE_ROOMS, LARGEST_SPARE = 4, 2**25  # bytes
_spare = []


def _room(size_t size):
    """Memory of this many bytes at least: some that a pass has left, if it is large enough."""
    try:
        room = _spare.pop()
    except IndexError:
        return aligned(size, np.uint8)
    return room if room.nbytes >= size else aligned(size, np.uint8)


def _give_back(room):
    """Keep this memory for the next pass."""
    if isinstance(room, np.ndarray) and len(_spare) < SPARE_ROOMS and room.nbytes <= LARGEST_SPARE:
        _spare.append(room)


cdef class NetworkPass:
    """Forward, loss and backward of a whole network in one call without the GIL, in room that is allocated once.

    Parameters
    ----------
    sizes : sequence of int
        ``[n_in, n_1, ..., n_out]``.
    batch : int
    dtype : numpy.dtype
        float32 or float64.
    name, parameter
        The activation of the hidden layers, as for ``value``.
    cross_entropy : bool
        Or else the mean squared error.
    threshold : float
        The derivative below which a number is saturated.
    recompute : bool
        Keep the inputs of every sqrt(layers)th layer only and run the layers between forward again: memory of
        2 sqrt(layers) layers instead of all, for a third more time and the same bits.
    cpu : str
        The instruction set.
    """

    cdef fg_network net
    cdef const fg_kernels *kernels
    cdef void **lists  # of weights, biases and their gradients
    cdef size_t *sizes
    cdef object room
    cdef readonly object dtype
    cdef int type  # its number
    cdef readonly size_t nbytes  # of memory that the passes share

    def __cinit__(self, sizes, size_t batch, dtype, name, parameter, bint cross_entropy, double threshold=0.0,
                  bint recompute=False, cpu=None):
        cdef size_t layers = len(sizes) - 1, l
        self.dtype, self.type = dtype, (<cnp.dtype>dtype).type_num
        self.kernels = _kernels(cpu, dtype.itemsize)
        self.lists = <void **>PyMem_Malloc(4 * layers * sizeof(void *))
        self.sizes = <size_t *>PyMem_Malloc((layers + 1) * sizeof(size_t))
        if not self.lists or not self.sizes:
            raise MemoryError
        for l in range(layers + 1):
            self.sizes[l] = sizes[l]
        net = &self.net
        net.layers, net.batch, net.sizes = layers, batch, self.sizes
        net.weights = <const void *const *>self.lists
        net.biases = <const void *const *>(self.lists + layers)
        net.activation, net.parameter, net.threshold = _NUMBERS[name], parameter or 0.0, threshold
        net.cross_entropy = cross_entropy
        net.block = <size_t>ceil(sqrt(<double>layers)) if recompute else 0
        self.nbytes = fastgrad_furnish(net, NULL, self.kernels)
        self.room = _room(self.nbytes)
        fastgrad_furnish(net, (<cnp.ndarray>self.room).data, self.kernels)

    def __dealloc__(self):
        PyMem_Free(self.lists)
        PyMem_Free(self.sizes)
        _give_back(self.room)

    cdef void point_to(self, list weights, list biases, gradients):
        """Read weights and biases, and write gradients, (dweights, dbiases) or None, where these arrays are."""
        cdef size_t layers = self.net.layers
        _point_to(self.lists, weights)
        _point_to(self.lists + layers, biases)
        self.net.dweights = self.net.dbiases = NULL
        if gradients is not None:
            self.net.dweights, self.net.dbiases = self.lists + 2 * layers, self.lists + 3 * layers
            _point_to(self.net.dweights, gradients[0])
            _point_to(self.net.dbiases, gradients[1])

    cdef bint is_matrix(self, array, size_t rows, size_t columns):
        """Whether C code reads it as a matrix of this shape and of the pass' type."""
        return (_plain(array, 2, self.type) and <size_t>cnp.PyArray_DIM(<cnp.ndarray>array, 0) == rows
                and <size_t>cnp.PyArray_DIM(<cnp.ndarray>array, 1) == columns)

    cdef bint is_target(self, y):
        """Whether C code reads it as the targets of the batch, and labels are in range and values finite."""
        cdef size_t b, batch = self.net.batch, outputs = self.sizes[self.net.layers]
        cdef const int64_t *labels
        cdef double top
        if not self.net.cross_entropy:
            if not self.is_matrix(y, batch, outputs):
                return False
            top = self.kernels.largest(batch * outputs, (<cnp.ndarray>y).data)
            return top - top == 0
        if not _plain(y, 1, cnp.NPY_INT64) or <size_t>cnp.PyArray_DIM(<cnp.ndarray>y, 0) != batch:
            return False
        labels = <const int64_t *>(<cnp.ndarray>y).data
        for b in range(batch):
            if labels[b] < 0 or labels[b] >= <int64_t>outputs:
                return False
        return True

    cdef bint fit(self, list weights, list biases, bint written):
        """Whether C code reads (and writes) these as the weights and biases of the network, or as their gradients."""
        cdef size_t l, layers = self.net.layers
        if <size_t>len(weights) != layers or <size_t>len(biases) != layers:
            return False
        for l in range(layers):
            if not self.is_matrix(weights[l], self.sizes[l], self.sizes[l + 1]):
                return False
            if not _plain(biases[l], 1, self.type):
                return False
            if <size_t>cnp.PyArray_DIM(<cnp.ndarray>biases[l], 0) != self.sizes[l + 1]:
                return False
            if written and not (cnp.PyArray_ISWRITEABLE(<cnp.ndarray>weights[l])
                                and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>biases[l])):
                return False
        return True

    cdef void start(self) noexcept nogil:
        """Clear what a pass adds to."""
        memset(self.net.signal_squares, 0, FG_STATISTICS * self.net.layers * sizeof(double))  # the first row of all
        memset(self.net.delta_exponent, 0, self.net.layers * sizeof(int64_t))

    def run(self, list weights, list biases, cnp.ndarray X, cnp.ndarray y, bint measured=False, gradients=None):
        """One pass.

        Nothing is checked: ``weights``, ``biases`` and ``X`` are C-contiguous arrays of the dtype that fit each other,
        ``y`` holds int64 labels or targets of that dtype; ``gradients`` is None or (dweights, dbiases), lists of such
        arrays to write to.

        Returns
        -------
        loss : float
        statistics : ndarray, shape (9, layers)
            Rows as in ``FG_EACH_STATISTIC``; those of delta and dL/dW in units of ``2**exponents``. Zero unless ``measured``.
        exponents : ndarray of int64, shape (layers,)

        None if the signal leaves the range of ordinary numbers while it is measured.
        """
        cdef fg_network *net = &self.net
        cdef size_t layers = net.layers
        cdef cnp.ndarray statistics = np.empty((FG_STATISTICS, layers)), exponents = np.empty(layers, np.int64)
        cdef int failed
        self.point_to(weights, biases, gradients)
        net.inputs, net.targets, net.measured = X.data, y.data, measured
        self.start()
        with nogil:
            failed = self.kernels.network(self.kernels, net)
        memcpy(statistics.data, net.signal_squares, FG_STATISTICS * layers * sizeof(double))
        memcpy(exponents.data, net.delta_exponent, layers * sizeof(int64_t))
        return None if failed else (net.loss, statistics, exponents)


cdef void _point_to(void **table, list arrays):
    cdef Py_ssize_t l
    for l in range(len(arrays)):
        table[l] = (<cnp.ndarray>arrays[l]).data


def gradient_arrays(tuple sizes, dtype):
    """(dweights, dbiases) for ``NetworkPass.run``: views of one array.

    A hundred small arrays are given back to the system and paged in anew at every call, which doubled the time of 50
    layers of 64 units.
    """
    cdef cnp.npy_intp fans[2]
    cdef cnp.npy_intp count = 0
    cdef list dweights = [], dbiases = []
    cdef Py_ssize_t l, layers = len(sizes) - 1
    for l in range(layers):
        count += (<cnp.npy_intp>sizes[l] + 1) * <cnp.npy_intp>sizes[l + 1]
    cdef cnp.ndarray flat = np.empty(count, dtype)
    cdef char *at = flat.data
    for l in range(layers):
        fans[0], fans[1] = sizes[l], sizes[l + 1]
        dweights.append(_view(flat, 2, fans, &at))
        dbiases.append(_view(flat, 1, fans + 1, &at))
    return dweights, dbiases


cdef _view(cnp.ndarray flat, int dimensions, cnp.npy_intp *shape, char **at):
    """An array of this shape in the memory of ``flat`` from ``at`` on, which moves to its end."""
    view = cnp.PyArray_SimpleNewFromData(dimensions, shape, cnp.PyArray_TYPE(flat), at[0])
    cnp.set_array_base(view, flat)
    at[0] += cnp.PyArray_NBYTES(view)
    return view


# Design: the two calls below are the whole of what a pass costs in Python where every array is as C code reads it: one
#         loop over the arrays, the data looked through by a kernel. Anything else, what is wrong too, is None: the
#         caller then converts it, or says what is wrong, and comes back. What a check of each array in Python costs,
#         40 to 80 us, is more than the pass of 10 layers of 32 units.


def loss_and_gradients(tuple sizes, dtype, name, parameter, bint cross_entropy, weights, biases, X, y, out=None):
    """What :meth:`fastgrad.MLP.loss_and_gradients` returns, or None if an array is not plain or does not fit."""
    cdef NetworkPass room = _fitting(sizes, dtype, name, parameter, cross_entropy, 0.0, False, weights, biases, X, y)
    cdef list dweights, dbiases
    if room is None:
        return None
    weights, biases = weights[:], biases[:]  # another thread may replace an entry meanwhile
    if out is None:
        dweights, dbiases = gradient_arrays(sizes, dtype)
    else:
        dweights, dbiases = _given(out)
        if not room.fit(dweights, dbiases, True):
            return None
    room.point_to(weights, biases, (dweights, dbiases))
    room.net.inputs, room.net.targets = (<cnp.ndarray>X).data, (<cnp.ndarray>y).data
    with nogil:
        room.kernels.network(room.kernels, &room.net)
    return room.net.loss, list(zip(dweights, dbiases))


def profile(tuple sizes, dtype, name, parameter, bint cross_entropy, double threshold, bint recompute, weights, biases,
            X, y):
    """What a pass measures, or None as for ``loss_and_gradients``.

    Returns
    -------
    hold : bool
        False if the pass must carry exponents forward too, or a weight or bias is not what it may be; the rest is then of
        no use.
    loss : float
    rows : ndarray, shape (7, layers)
        As ``fastgrad_summarise`` says.
    least : float
        log2 of the largest magnitude of delta, of the layer where that is least.
    """
    cdef NetworkPass room = _fitting(sizes, dtype, name, parameter, cross_entropy, threshold, recompute, weights,
                                     biases, X, y)
    cdef cnp.npy_intp shape[2]
    cdef cnp.ndarray rows
    cdef double least
    cdef bint hold
    if room is None:
        return None
    weights, biases = weights[:], biases[:]  # another thread may replace an entry meanwhile
    shape[0], shape[1] = FG_SUMMARY, room.net.layers
    rows = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
    room.point_to(weights, biases, None)
    room.net.inputs, room.net.targets, room.net.measured = (<cnp.ndarray>X).data, (<cnp.ndarray>y).data, True
    with nogil:
        hold = _measure(room.kernels, &room.net, <double *>rows.data, &least)
    return hold, room.net.loss, rows, least


SUMMARY = FG_SUMMARY  # rows that a pass is summarised in


def profiles(tuple sizes, dtype, name, parameter, bint cross_entropy, double threshold, const uint32_t[:, ::1] keys,
             weights, biases, X, y, int[::1] hold, double[::1] loss, double[:, :, ::1] rows, double[::1] least):
    """What ``profile`` returns, written to row i of the last four for each of ``keys``: networks drawn in the same memory.

    ``weights`` and ``biases`` are (distribution, scales), a scale for every layer as for ``fill``; a scale of 0 is an
    array of zeros. X and y are as C code reads them, and fit; ValueError if they do not.
    """
    cdef list drawn_weights, drawn_biases
    drawn_weights, drawn_biases = gradient_arrays(sizes, dtype)
    cdef NetworkPass room = _fitting(sizes, dtype, name, parameter, cross_entropy, threshold, False, drawn_weights,
                                     drawn_biases, X, y)
    if room is None:
        raise ValueError("X or y is not what a pass takes")
    cdef int of_weights = DISTRIBUTIONS.index(weights[0]), of_biases = DISTRIBUTIONS.index(biases[0])
    cdef const double[::1] weight_scales = weights[1], bias_scales = biases[1]
    cdef size_t l, layers = room.net.layers
    cdef Py_ssize_t i
    room.point_to(drawn_weights, drawn_biases, None)
    room.net.inputs, room.net.targets, room.net.measured = (<cnp.ndarray>X).data, (<cnp.ndarray>y).data, True
    for i in range(keys.shape[0]):
        with nogil:
            for l in range(layers):
                _draw(room.kernels, &keys[i, 0], 2 * l, of_weights, weight_scales[l],
                      room.sizes[l] * room.sizes[l + 1], room.lists[l])
                _draw(room.kernels, &keys[i, 0], 2 * l + 1, of_biases, bias_scales[l], room.sizes[l + 1],
                      room.lists[layers + l])
            room.start()
            hold[i] = _measure(room.kernels, &room.net, &rows[i, 0, 0], &least[i])
            loss[i] = room.net.loss
        PyErr_CheckSignals()


cdef void _draw(const fg_kernels *kernels, const uint32_t *key, uint32_t stream, int distribution, double scale,
                size_t count, void *to) noexcept nogil:
    """As ``fill``, and zeros if the scale is 0."""
    if scale:
        kernels.fill(key, stream, distribution, scale, 0, count, to)
    else:
        memset(to, 0, count * kernels.item)


cdef bint _measure(const fg_kernels *kernels, fg_network *net, double *rows, double *least) noexcept nogil:
    """Run a measured pass and summarise it; whether what it says holds."""
    cdef size_t l
    if kernels.network(kernels, net) or not fastgrad_summarise(net, rows):
        return False
    least[0] = INFINITY
    for l in range(net.layers):
        least[0] = min(least[0], rows[FG_LOG2_DELTA_TOP * net.layers + l])
    return True


cdef NetworkPass _fitting(tuple sizes, dtype, name, parameter, bint cross_entropy, double threshold, bint recompute,
                          weights, biases, X, y):
    """A pass for arrays that are plain, fit and hold nothing it must not be given; or None."""
    cdef NetworkPass room
    cdef size_t batch
    cdef double top
    if not (type(weights) is list and type(biases) is list and cnp.PyArray_CheckExact(X) and cnp.PyArray_CheckExact(y)):
        return None
    if not _plain(X, 2, (<cnp.dtype>dtype).type_num) or cnp.PyArray_DIM(<cnp.ndarray>X, 0) < 1:
        return None
    if cnp.PyArray_DIM(<cnp.ndarray>X, 1) != <cnp.npy_intp>sizes[0]:  # before room is asked for
        return None
    batch = cnp.PyArray_DIM(<cnp.ndarray>X, 0)
    room = NetworkPass(sizes, batch, dtype, name, parameter, cross_entropy, threshold, recompute)
    if not (room.fit(weights, biases, False) and room.is_target(y)):
        return None
    top = room.kernels.largest(batch * room.sizes[0], (<cnp.ndarray>X).data)
    return room if top - top == 0 else None


cdef tuple _given(out):
    """The arrays of a list of (dweight, dbias), in two lists; empty ones for what is no such list."""
    cdef list dweights = [], dbiases = []
    if type(out) is list:
        for pair in <list>out:
            if type(pair) is not tuple or len(<tuple>pair) != 2:
                return [], []
            dweights.append((<tuple>pair)[0])
            dbiases.append((<tuple>pair)[1])
    return dweights, dbiases
