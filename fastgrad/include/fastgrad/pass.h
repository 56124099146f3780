/* The memory of a pass through a network (set/network.h), laid out, and what a measured pass found. */
#ifndef FASTGRAD_PASS_H
#define FASTGRAD_PASS_H

#include "kernels.h"

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

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
static inline size_t fg_lay_out(fg_network *net, char *start, const fg_kernels *kernels)
{
    const size_t layers = net->layers, ld = net->ld, block = net->block, item = kernels->item, width = kernels->width;
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
    const size_t most = fg_larger(FG_PANEL * widest, FG_PANEL_NUMBERS); /* numbers of a panel of dL/dW, and of all of it */
    const size_t panel = most < widest * widest ? most : widest * widest;
    at += fg_lines(fg_larger(2 * fg_gram_rows(net->batch, ld) * ld, net->batch * widest + panel) * item);
    return at + 64;
}

/* The arrays of doubles, a number per layer, that a measured pass fills, in the order in which they lie in memory. */
#define FG_EACH_STATISTIC(X)                                                              \
    X(signal_squares) X(signal_top) X(saturated) X(dead) X(delta_squares) X(delta_top)    \
    X(gradient_squares) X(weight_top) X(bias_top)
#define FG_ONE(NAME) +1
enum { FG_STATISTICS = 0 FG_EACH_STATISTIC(FG_ONE) };
#undef FG_ONE

/* Point `net` into `room`: the lists of arrays, what is measured, log_p and the arrays themselves; the bytes needed. */
static inline size_t fastgrad_furnish(fg_network *net, char *room, const fg_kernels *kernels)
{
    const size_t width = kernels->width;
    const size_t layers = net->layers, lists = fg_lines(2 * layers * sizeof(void *));
    const size_t statistics = fg_lines(FG_STATISTICS * layers * sizeof(double));
    const size_t exponents = fg_lines(layers * sizeof(int64_t));
    const size_t log_p = fg_lines(2 * net->batch * (net->sizes[layers] + 1) * sizeof(double));
    const size_t before = 64 + lists + statistics + exponents + log_p;
    net->ld = (net->batch + width - 1) / width * width;
    if (!room)
        return before + fg_lay_out(net, NULL, kernels);
    room = (char *)fastgrad_aligned(room);
    net->x = (void **)room;
    net->d = net->x + layers;
    double *const rows = (double *)(room += lists);
    size_t row = 0;
#define FG_PLACE(NAME) net->NAME = rows + row++ * layers;
    FG_EACH_STATISTIC(FG_PLACE)
#undef FG_PLACE
    memset(rows, 0, FG_STATISTICS * layers * sizeof(double));
    net->delta_exponent = (int64_t *)(room += statistics);
    net->log_p = (double *)(room += exponents);
    return before + fg_lay_out(net, room + log_p, kernels);
}

/* log10 of the root mean squares of z (unless NULL), delta and dL/dW of every layer, of a measured pass. */
static inline void fastgrad_root_mean_squares(const fg_network *net, double *signal, double *delta, double *dweight)
{
    for (size_t l = 0; l < net->layers; l++) {
        const double units = (double)net->sizes[l + 1], numbers = (double)net->batch * units;
        const double shift = (double)net->delta_exponent[l] * 0.30102999566398119521; /* log10 2 */
        if (signal)
            signal[l] = 0.5 * log10(net->signal_squares[l] / numbers);
        delta[l] = 0.5 * log10(net->delta_squares[l] / numbers) + shift;
        dweight[l] = 0.5 * log10(net->gradient_squares[l] / (units * (double)net->sizes[l])) + shift;
    }
}

/* Whether W and b of a layer are finite and no magnitude of W is above 2^FG_LARGEST_WEIGHT: else the pass says nothing. */
static inline int fastgrad_holds(const fg_network *net, size_t l)
{
    const double bias = net->bias_top[l];
    return net->weight_top[l] <= ldexp(1.0, FG_LARGEST_WEIGHT) && bias - bias == 0;
}

/* What a measured pass found, as rows of `layers` numbers: log10 of the root mean square of z, of delta and of dL/dW; the
   shares of saturated numbers and of dead units (0 for the output layer); log2 of the largest magnitude of delta and of
   W. Returns whether they hold: no z is 0 everywhere, and W and b are what they may be. */
enum { FG_LOG10_SIGNAL, FG_LOG10_DELTA, FG_LOG10_DWEIGHT, FG_SATURATED, FG_DEAD, FG_LOG2_DELTA_TOP, FG_LOG2_WEIGHT_TOP,
       FG_SUMMARY };
static inline int fastgrad_summarise(const fg_network *net, double *rows)
{
    const size_t layers = net->layers;
    int hold = 1;
    fastgrad_root_mean_squares(net, rows + FG_LOG10_SIGNAL * layers, rows + FG_LOG10_DELTA * layers,
                               rows + FG_LOG10_DWEIGHT * layers);
    for (size_t l = 0; l < layers; l++) {
        const double units = (double)net->sizes[l + 1];
        rows[FG_SATURATED * layers + l] = net->saturated[l] / ((double)net->batch * units);
        rows[FG_DEAD * layers + l] = net->dead[l] / units;
        rows[FG_LOG2_DELTA_TOP * layers + l] = log2(net->delta_top[l]) + (double)net->delta_exponent[l];
        rows[FG_LOG2_WEIGHT_TOP * layers + l] = log2(net->weight_top[l]);
        hold &= net->signal_top[l] > 0 && fastgrad_holds(net, l);
    }
    return hold;
}

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#endif
