# Part of compiled.pyx: a run over mini-batches without the GIL.


def train(NetworkPass room, list weights, list biases, list dweights, list dbiases, cnp.ndarray X, cnp.ndarray y,
          cnp.ndarray rows, int optimizer, options, double rate, double weight_decay, cnp.ndarray parameters,
          cnp.ndarray gradient, list kept, size_t decaying, int64_t steps, cnp.ndarray batch_X, cnp.ndarray batch_y):
    """Train on these rows, batch by batch, in the room of a pass; see ``fastgrad.learning.loop.Trainer``.

    Nothing is checked: ``weights`` and ``biases`` are views of ``parameters``, ``dweights`` and ``dbiases`` of
    ``gradient``; ``batch_X`` and ``batch_y`` have room for a batch; ``rows`` are int64.

    Returns
    -------
    loss : float
        Summed over the samples.
    correct, samples, steps : int
        Fewer samples than rows if a loss was not finite.
    """
    cdef fg_training run
    cdef size_t done
    cdef cnp.ndarray array
    room.point_to(weights, biases, (dweights, dbiases))
    room.net.measured = False
    run.net, run.inputs, run.targets = &room.net, X.data, y.data
    run.rows, run.count = <const int64_t *>rows.data, rows.shape[0]
    run.batch_inputs, run.batch_targets = batch_X.data, batch_y.data
    run.optimizer, run.rate, run.weight_decay = optimizer, rate, weight_decay
    run.options[0] = run.options[1] = run.options[2] = 0.0
    for index, value in enumerate(options):
        run.options[index] = value
    run.w, run.g, run.kept[0], run.kept[1] = parameters.data, gradient.data, NULL, NULL
    for index, array in enumerate(kept):
        run.kept[index] = array.data
    run.parameters, run.decaying, run.step = parameters.shape[0], decaying, steps
    run.loss, run.correct = 0.0, 0
    with nogil:
        done = room.kernels.train(room.kernels, &run)
    return run.loss, run.correct, done, run.step
