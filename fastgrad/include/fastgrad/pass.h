/* The memory of a pass through a network (network.h), laid out; whole passes and dense layers as plain functions, for
   abi.h. */
#ifndef FASTGRAD_PASS_H
#define FASTGRAD_PASS_H

static inline size_t fg_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64; /* whole cache lines */
}

static inline size_t fg_larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The first cache line in it. */
static inline void *fastgrad_aligned(void *room)
{
    return (char *)room + (-(uintptr_t)room % 64);
}

/* Give every array of the pass its place from `start` on, each on a cache line; the bytes that takes. With `start` NULL
   they are only counted, and x and d may be. */
static inline size_t fg_lay_out(fg_network *net, char *start, size_t item, size_t width)
{
    const size_t layers = net->layers, ld = net->ld, block = net->block;
    size_t at = (size_t)(-(uintptr_t)start % 64), widest = 0;
    for (size_t l = 0; l <= layers; l++)
        widest = fg_larger(widest, net->sizes[l]);
    for (size_t l = 0; l < layers; l++) {
        const int kept = !block || l % block == 0 || l < block; /* every first layer of a block keeps its own */
        if (start)
            net->x[l] = kept ? start + at : net->x[l % block];
        at += kept ? fg_lines((block ? widest : net->sizes[l]) * ld * item) : 0;
    }
    for (size_t l = 0; l + 1 < layers; l++) {
        const int kept = !block || l < block;
        if (start)
            net->d[l] = kept ? start + at : net->d[l % block];
        at += kept ? fg_lines((block ? widest : net->sizes[l + 1]) * ld * item) : 0;
    }
    void **const single[] = {&net->outputs, &net->delta, &net->other, &net->scratch};
    const size_t sizes[] = {net->sizes[layers] * ld * item, widest * ld * item, widest * ld * item, 0};
    for (size_t i = 0; i < 4; i++) {
        if (start)
            *single[i] = start + at;
        at += fg_lines(sizes[i]);
    }
    widest = (widest + width - 1) / width * width;
    const size_t panel = fg_larger(FG_PANEL * widest, FG_PANEL_NUMBERS);
    const size_t gram = fg_larger(FG_PANEL * ld, FG_PANEL_NUMBERS);
    at += fg_lines(fg_larger(2 * gram, net->batch * widest + panel) * item);
    return at + 64;
}

enum { FG_STATISTICS = 9 }; /* arrays of doubles, a number per layer, that a measured pass fills */

/* Point `net` into `room`: the lists of arrays, what is measured, log_p and the arrays themselves; the bytes needed. */
static inline size_t fastgrad_furnish(fg_network *net, char *room, size_t item, size_t width)
{
    const size_t layers = net->layers, lists = fg_lines(2 * layers * sizeof(void *));
    const size_t statistics = fg_lines(FG_STATISTICS * layers * sizeof(double));
    const size_t exponents = fg_lines(layers * sizeof(int64_t));
    const size_t log_p = fg_lines(2 * net->batch * net->sizes[layers] * sizeof(double));
    const size_t before = 64 + lists + statistics + exponents + log_p;
    net->ld = (net->batch + width - 1) / width * width;
    if (!room)
        return before + fg_lay_out(net, NULL, item, width);
    room = (char *)fastgrad_aligned(room);
    net->x = (void **)room;
    net->d = net->x + layers;
    double *const rows = (double *)(room += lists);
    double **const each[FG_STATISTICS] = {
        &net->signal_squares, &net->signal_top, &net->saturated,  &net->dead,    &net->delta_squares,
        &net->delta_top,      &net->gradient_squares, &net->weight_top, &net->bias_top};
    for (size_t i = 0; i < FG_STATISTICS; i++)
        *each[i] = rows + i * layers;
    memset(rows, 0, FG_STATISTICS * layers * sizeof(double));
    net->delta_exponent = (int64_t *)(room += statistics);
    net->log_p = (double *)(room += exponents);
    return before + fg_lay_out(net, room + log_p, item, width);
}

/* What can be wrong with a network, or FASTGRAD_OK. */
static inline int fastgrad_check_network(int activation, int loss, size_t layers, const size_t *sizes, size_t batch,
                                         const void *targets)
{
    if (activation < 0 || activation >= FG_ACTIVATIONS)
        return FASTGRAD_UNKNOWN_ACTIVATION;
    if (layers < 2 || batch < 1 || (loss != FASTGRAD_CROSS_ENTROPY && loss != FASTGRAD_MEAN_SQUARED_ERROR))
        return FASTGRAD_BAD_ARGUMENT;
    for (size_t l = 0; l <= layers; l++)
        if (sizes[l] < 1)
            return FASTGRAD_BAD_ARGUMENT;
    for (size_t b = 0; loss == FASTGRAD_CROSS_ENTROPY && b < batch; b++) {
        const int64_t label = ((const int64_t *)targets)[b];
        if (label < 0 || (uint64_t)label >= sizes[layers])
            return FASTGRAD_BAD_ARGUMENT;
    }
    return FASTGRAD_OK;
}

/* `net` with all that a caller says of it, or what is wrong with that. */
static inline int fastgrad_describe(fg_network *net, int activation, double parameter, int loss, size_t layers,
                                    const size_t *sizes, size_t batch, const void *const *weights,
                                    const void *const *biases, const void *x, const void *targets)
{
    memset(net, 0, sizeof *net);
    net->layers = layers, net->sizes = sizes, net->batch = batch, net->weights = weights, net->biases = biases;
    net->activation = activation, net->parameter = parameter, net->cross_entropy = loss == FASTGRAD_CROSS_ENTROPY;
    net->inputs = x, net->targets = targets;
    return fastgrad_check_network(activation, loss, layers, sizes, batch, targets);
}

#define FASTGRAD_PASSES(SCALAR, TYPE)                                                                                  \
    static size_t fastgrad_network_room_##TYPE(size_t layers, const size_t *sizes, size_t batch)                       \
    {                                                                                                                  \
        fg_network net;                                                                                                \
        memset(&net, 0, sizeof net);                                                                                   \
        net.layers = layers, net.sizes = sizes, net.batch = batch;                                                     \
        return fastgrad_furnish(&net, NULL, sizeof(SCALAR), fastgrad_active->TYPE->width);                             \
    }                                                                                                                  \
    static int fastgrad_network_gradients_##TYPE(                                                                      \
        int activation, SCALAR parameter, int loss, size_t layers, const size_t *sizes, size_t batch,                  \
        const void *const *weights, const void *const *biases, const SCALAR *x, const void *targets, void *room,       \
        double *mean_loss, void *const *dweights, void *const *dbiases)                                                \
    {                                                                                                                  \
        fg_network net;                                                                                                \
        const int error = fastgrad_describe(&net, activation, parameter, loss, layers, sizes, batch, weights, biases,  \
                                            x, targets);                                                               \
        if (error)                                                                                                     \
            return error;                                                                                              \
        net.dweights = (void **)dweights, net.dbiases = (void **)dbiases;                                              \
        fastgrad_furnish(&net, (char *)room, sizeof(SCALAR), fastgrad_active->TYPE->width);                            \
        fastgrad_active->TYPE->network(fastgrad_active->TYPE, &net);                                                   \
        *mean_loss = net.loss;                                                                                         \
        return FASTGRAD_OK;                                                                                            \
    }                                                                                                                  \
    static int fastgrad_network_profile_##TYPE(                                                                        \
        int activation, SCALAR parameter, int loss, size_t layers, const size_t *sizes, size_t batch,                  \
        const void *const *weights, const void *const *biases, const SCALAR *x, const void *targets, void *room,       \
        double *mean_loss, double *log10_delta, double *log10_dweight)                                                 \
    {                                                                                                                  \
        const double log10_2 = 0.30102999566398119521;                                                                 \
        fg_network net;                                                                                                \
        const int error = fastgrad_describe(&net, activation, parameter, loss, layers, sizes, batch, weights, biases,  \
                                            x, targets);                                                               \
        if (error)                                                                                                     \
            return error;                                                                                              \
        net.measured = 1;                                                                                              \
        fastgrad_furnish(&net, (char *)room, sizeof(SCALAR), fastgrad_active->TYPE->width);                            \
        if (fastgrad_active->TYPE->network(fastgrad_active->TYPE, &net))                                               \
            return FASTGRAD_OUT_OF_RANGE;                                                                              \
        *mean_loss = net.loss;                                                                                         \
        for (size_t l = 0; l < layers; l++) {                                                                          \
            const double units = (double)sizes[l + 1], shift = (double)net.delta_exponent[l] * log10_2;                \
            log10_delta[l] = 0.5 * log10(net.delta_squares[l] / ((double)batch * units)) + shift;                      \
            log10_dweight[l] = 0.5 * log10(net.gradient_squares[l] / (units * (double)sizes[l])) + shift;              \
        }                                                                                                              \
        return FASTGRAD_OK;                                                                                            \
    }
FASTGRAD_PASSES(float, f32)
FASTGRAD_PASSES(double, f64)
#undef FASTGRAD_PASSES

#define FASTGRAD_DENSE(SCALAR, TYPE)                                                                                   \
    static size_t fastgrad_dense_room_##TYPE(size_t batch, size_t fan_in, size_t fan_out)                              \
    {                                                                                                                  \
        size_t (*const numbers)(size_t, size_t, size_t, int) = fastgrad_active->TYPE->dense_scratch;                   \
        const size_t scratch = fg_larger(numbers(batch, fan_in, fan_out, 0), numbers(batch, fan_in, fan_out, 1));      \
        return 64 + fg_lines(batch * fan_out * sizeof(SCALAR)) + scratch * sizeof(SCALAR);                             \
    }                                                                                                                  \
    static int fastgrad_dense_forward_##TYPE(int activation, SCALAR parameter, size_t batch, size_t fan_in,            \
                                             size_t fan_out, const SCALAR *x, const SCALAR *weight,                    \
                                             const SCALAR *bias, SCALAR *y, SCALAR *d, void *room,                     \
                                             fastgrad_gemm_##TYPE gemm, void *context)                                 \
    {                                                                                                                  \
        const fg_dense layer = {batch, fan_in, fan_out, x, weight, bias, fastgrad_aligned(room)};                      \
        if (activation < 0 || activation >= FG_ACTIVATIONS)                                                            \
            return FASTGRAD_UNKNOWN_ACTIVATION;                                                                        \
        if (!batch || !fan_in || !fan_out)                                                                             \
            return FASTGRAD_BAD_ARGUMENT;                                                                              \
        if (!gemm) {                                                                                                   \
            fastgrad_active->TYPE->dense_forward(fastgrad_active->TYPE, &layer, activation, parameter, y, d);          \
            return FASTGRAD_OK;                                                                                        \
        }                                                                                                              \
        gemm(context, 0, 0, batch, fan_out, fan_in, x, weight, y);                                                     \
        for (size_t i = 0; i < batch; i++)                                                                             \
            for (size_t o = 0; o < fan_out; o++)                                                                       \
                y[i * fan_out + o] += bias[o];                                                                         \
        fastgrad_active->TYPE->both[activation](batch * fan_out, y, parameter, y, d);                                  \
        return FASTGRAD_OK;                                                                                            \
    }                                                                                                                  \
    static int fastgrad_dense_backward_##TYPE(size_t batch, size_t fan_in, size_t fan_out, const SCALAR *dy,           \
                                              const SCALAR *d, const SCALAR *x, const SCALAR *weight, SCALAR *dx,      \
                                              SCALAR *dweight, SCALAR *dbias, void *room,                              \
                                              fastgrad_gemm_##TYPE gemm, void *context)                                \
    {                                                                                                                  \
        SCALAR *const dz = (SCALAR *)fastgrad_aligned(room);                                                           \
        char *const scratch = (char *)dz + fg_lines(batch * fan_out * sizeof(SCALAR));                                 \
        const fg_dense layer = {batch, fan_in, fan_out, x, weight, NULL, scratch};                                     \
        if (!batch || !fan_in || !fan_out)                                                                             \
            return FASTGRAD_BAD_ARGUMENT;                                                                              \
        if (!gemm) {                                                                                                   \
            fastgrad_active->TYPE->dense_backward(&layer, dy, d, dz, dx, dweight, dbias);                              \
            return FASTGRAD_OK;                                                                                        \
        }                                                                                                              \
        for (size_t o = 0; o < fan_out; o++)                                                                           \
            dbias[o] = 0;                                                                                              \
        for (size_t i = 0; i < batch; i++)                                                                             \
            for (size_t o = 0; o < fan_out; o++) {                                                                     \
                dz[i * fan_out + o] = dy[i * fan_out + o] * d[i * fan_out + o];                                        \
                dbias[o] += dz[i * fan_out + o];                                                                       \
            }                                                                                                          \
        gemm(context, 1, 0, fan_in, fan_out, batch, x, dz, dweight);                                                   \
        gemm(context, 0, 1, batch, fan_in, fan_out, dz, weight, dx);                                                   \
        return FASTGRAD_OK;                                                                                            \
    }
FASTGRAD_DENSE(float, f32)
FASTGRAD_DENSE(double, f64)
#undef FASTGRAD_DENSE

#endif
