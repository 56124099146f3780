/* A whole multilayer perceptron, forward and backward, for one instruction set and one type.

   Arrays of samples are held transposed: (features, ld), one column per sample, ld the batch rounded up to whole
   vectors, the columns beyond the batch 0 in the input and in delta. Weights are (fan_in, fan_out), C order. */

/* Design: - With samples as columns, one block of GEMM serves forward (Z = W^T X) and backward (dX = W dZ): the left
             operand is read one number at a time, so any strides do, and nothing is packed or transposed; only
             dW = X dZ^T wants delta with samples as rows, a copy of batch x fan_out numbers.
           - 6 rows by FG_WIDEST vectors of sums stay in registers: products alone reach 93-100 % of the FMA peak for
             widths 32 to 512 (Zen 4), 70-88 % on a Xeon whose neighbour is busy. 12 rows by 2 vectors, and a packed right
             operand, were no faster.
           - Sums begin with the bias. The product with phi' is a pass of its own: at the end of a block it made wide
             layers 2 % slower, and so did stores of dL/dW past the caches.
           - W^T is read down W's columns, whose numbers share few sets of the first cache where a row is a power of two
             long: they are fetched a few terms ahead (AVX2, 512 units: 97 -> 103 GFLOP/s).
           - A product fetches the next layer's weights meanwhile, a line for every other term: 100 layers of 512 units,
             batch 32, are measured in 41 instead of 56 ms. And a block fetches the lines that the next one writes, as a
             line that is written whole is read first: their gradients take a tenth less.
           - A block of rows meets its bias and activation while it is in cache.
           - Layers may share memory, so that only the inputs of every block of layers are kept and the block is run
             forward again when backward comes to it: 2 sqrt(depth) layers in memory for a third more work. */

#ifndef FG_DEEP
/* What a product C = A B does besides. */
typedef struct {
    const char *at, *end; /* memory that is wanted next and is brought into the second-level cache meanwhile */
    const void *bias;     /* what each row's sums begin with, or NULL: 0 */
} fg_besides;
/* The ends of the window, and the slopes that cannot underflow within it. */
#define FG_SMALL (1.0 / (1 << FG_WINDOW))
#define FG_LARGE (double)(1 << FG_WINDOW)
#define FG_SMALLEST_SLOPE 8.673617379884035e-19 /* 2^-60 */
#define FG_DEEP 128 /* terms of a product's sums that are added in one go */
#define FG_SUMMED 256 /* squares that a lane adds before they go into a double */
#define FG_SOON 3 /* terms until a number of A is needed */
#define FG_HOP 32   /* bytes fetched ahead per term of a block */
#define FG_GRAM_ERROR 0.0078125 /* of |dL/dW|^2, by rounding: .0017 decades of the root mean square */
#define FG_LN_2 0.69314718055994530942
#define FG_EXPONENTIAL FG_PASTE(exponential, f64, FG_SET)
#endif

/* Vectors in a cache line, or 1 if they are longer. */
#define FG_LINE (FG_WIDTH * (int)sizeof(FG_SCALAR) < 64 ? 64 / (FG_WIDTH * (int)sizeof(FG_SCALAR)) : 1)

/* C = A B, or C += A B unless `first`, for `rows` <= 6 rows of A, read as a[i row + k col], and `columns` vectors. */
FG_INLINE void FG(gemm_block)(const int rows, const int columns, fg_besides *besides, int first, size_t depth,
                              const FG_SCALAR *a, size_t row, size_t col, const FG_SCALAR *b, size_t ldb,
                              const FG_SCALAR *bias, FG_SCALAR *c, size_t ldc)
{
    FG_REAL sum[6][FG_WIDEST], right[FG_WIDEST];
    const char *const next = besides->at;
    const size_t hop = next < besides->end ? FG_HOP : 0;
    besides->at += hop * depth;
    FG_UNROLL
    for (int i = 0; i < rows; i++) {
        const FG_REAL start = FG_SET1(bias ? bias[i] : 0.0);
        FG_UNROLL
        for (int j = 0; j < columns; j++)
            sum[i][j] = first ? start : FG_LOAD(c + (size_t)i * ldc + j * FG_WIDTH);
    }
    if (first) /* what the next block writes */
        FG_UNROLL
        for (int i = 0; i < rows; i++)
            FG_UNROLL
            for (int j = 0; j < columns; j += FG_LINE)
                FG_PREFETCH_TO_WRITE(c + (size_t)(rows + i) * ldc + j * FG_WIDTH);
    for (size_t k = 0; k < depth; k++) {
        FG_PREFETCH(next + k * hop);
        FG_PREFETCH_NEAR(a + (k + FG_SOON) * col);
        FG_UNROLL
        for (int j = 0; j < columns; j++)
            right[j] = FG_LOAD(b + k * ldb + j * FG_WIDTH);
        FG_UNROLL
        for (int i = 0; i < rows; i++) {
            const FG_REAL left = FG_SET1(a[(size_t)i * row + k * col]);
            FG_UNROLL
            for (int j = 0; j < columns; j++)
                sum[i][j] = FG_MAD(left, right[j], sum[i][j]);
        }
    }
    FG_UNROLL
    for (int i = 0; i < rows; i++)
        FG_UNROLL
        for (int j = 0; j < columns; j++)
            FG_STORE(c + (size_t)i * ldc + j * FG_WIDTH, sum[i][j]);
}

/* The same for any number of rows. */
FG_INLINE void FG(gemm_rows)(const int columns, size_t m, fg_besides *besides, int first, size_t depth,
                             const FG_SCALAR *a, size_t row, size_t col, const FG_SCALAR *b, size_t ldb,
                             const FG_SCALAR *bias, FG_SCALAR *c, size_t ldc)
{
#define FG_BLOCK(rows) FG(gemm_block)(rows, columns, besides, first, depth, a, row, col, b, ldb, bias, c, ldc)
    while (m) {
        /* never a single row unless m is odd and small */
        const size_t step = m == 8 ? 4 : m >= 6 ? 6 : m >= 4 ? 4 : m >= 2 ? 2 : 1;
        switch (step) {
        case 6: FG_BLOCK(6); break;
        case 4: FG_BLOCK(4); break;
        case 2: FG_BLOCK(2); break;
        default: FG_BLOCK(1);
        }
        m -= step;
        a += step * row;
        c += step * ldc;
        bias += bias ? step : 0;
    }
#undef FG_BLOCK
}

/* C (m, vectors) = A (m, depth) B (depth, vectors): any m, whole vectors of columns. */
static void FG(gemm)(fg_besides *besides, size_t m, size_t vectors, size_t depth, const FG_SCALAR *a, size_t row,
                     size_t col, const FG_SCALAR *b, size_t ldb, FG_SCALAR *c, size_t ldc)
{
    for (size_t k = 0, deep; k < depth; k += deep, a += deep * col, b += deep * ldb) {
        deep = depth <= 2 * FG_DEEP ? depth : depth - k < FG_DEEP ? depth - k : FG_DEEP;
        const FG_SCALAR *const bias = k == 0 ? (const FG_SCALAR *)besides->bias : NULL;
        size_t j = 0; /* columns that are done */
#define FG_ROWS(columns)                                                                                        \
    FG(gemm_rows)(columns, m, besides, k == 0, deep, a, row, col, b + j * FG_WIDTH, ldb, bias,                  \
                  c + j * FG_WIDTH, ldc)
        for (; vectors - j >= FG_WIDEST; j += FG_WIDEST)
            FG_ROWS(FG_WIDEST);
        for (; vectors - j >= 2; j += 2)
            FG_ROWS(2);
        if (vectors - j)
            FG_ROWS(1);
#undef FG_ROWS
    }
}

/* to (n, wide) = from (m, ld) transposed, its columns beyond m 0; blocks of four by four. */
static void FG(transpose)(size_t m, size_t n, const FG_SCALAR *from, size_t ld, FG_SCALAR *to, size_t wide)
{
    size_t o = 0;
    for (; o + 4 <= m; o += 4, from += 4 * ld) {
        size_t b = 0;
        for (; b + 4 <= n; b += 4)
            FG_PASTE(turn, FG_TYPE, any)(from + b, ld, to + b * wide + o, wide);
        for (; b < n; b++)
            for (size_t i = 0; i < 4; i++)
                to[b * wide + o + i] = from[i * ld + b];
    }
    for (; o < wide; o++, from += ld)
        for (size_t b = 0; b < n; b++)
            to[b * wide + o] = o < m ? from[b] : 0;
}

/* Sum of squares and largest magnitude of a panel, whose columns beyond the batch are 0; four vectors of sums in the
   type itself for as many numbers as they hold well, everything beyond in double. */
static void FG(measure)(size_t count, const FG_SCALAR *a, double *squares, double *top)
{
    FG_SCALAR sums[FG_WIDTH], tops[FG_WIDTH], most = 0;
    FG_REAL largest = FG_SET1(0.0);
    for (size_t i = 0, end; i < count; i = end) {
        FG_REAL sum[4] = {FG_SET1(0.0), FG_SET1(0.0), FG_SET1(0.0), FG_SET1(0.0)};
        end = count - i < FG_SUMMED * FG_WIDTH ? count : i + FG_SUMMED * FG_WIDTH;
        for (; i + 4 * FG_WIDTH <= end; i += 4 * FG_WIDTH)
            FG_UNROLL
            for (int j = 0; j < 4; j++) {
                const FG_REAL x = FG_LOAD(a + i + j * FG_WIDTH);
                sum[j] = FG_MAD(x, x, sum[j]);
                largest = FG_MAXIMUM(largest, FG_FABS(x));
            }
        for (; i < end; i += FG_WIDTH) {
            const FG_REAL x = FG_LOAD(a + i);
            sum[0] = FG_MAD(x, x, sum[0]);
            largest = FG_MAXIMUM(largest, FG_FABS(x));
        }
        FG_STORE(sums, (sum[0] + sum[1]) + (sum[2] + sum[3]));
        for (int j = 0; j < FG_WIDTH; j++)
            *squares += sums[j];
    }
    FG_STORE(tops, largest);
    for (int j = 0; j < FG_WIDTH; j++)
        most = tops[j] > most ? tops[j] : most;
    *top = most > *top ? most : *top;
}

/* The largest magnitude of any count of numbers; NaN if one of them is NaN or infinite. */
static double FG(largest)(size_t count, const void *numbers)
{
    const FG_SCALAR *const a = (const FG_SCALAR *)numbers;
    FG_REAL most = FG_SET1(0.0), odd = FG_SET1(0.0);
    FG_SCALAR tops[FG_WIDTH], odds[FG_WIDTH], top = 0, strange = 0;
    size_t i = 0;
    for (; i + FG_WIDTH <= count; i += FG_WIDTH) {
        const FG_REAL x = FG_LOAD(a + i);
        most = FG_MAXIMUM(most, FG_FABS(x));
        odd = odd + (x - x);
    }
    FG_STORE(tops, most);
    FG_STORE(odds, odd);
    for (int j = 0; j < FG_WIDTH; j++) {
        top = tops[j] > top ? tops[j] : top;
        strange += odds[j];
    }
    for (; i < count; i++) {
        top = fabs(a[i]) > top ? (FG_SCALAR)fabs(a[i]) : top;
        strange += a[i] - a[i];
    }
    return top + strange;
}

/* How much of a hidden layer passes nothing: numbers of d below the threshold, units with no d above 0, largest d. */
static void FG(count_closed)(size_t m, size_t ld, size_t batch, double threshold, const FG_SCALAR *d, double *saturated,
                             double *dead, double *top)
{
    const FG_SCALAR closed = (FG_SCALAR)threshold;
    const FG_REAL limit = FG_SET1(closed), one = FG_SET1(1.0), zero = FG_SET1(0.0);
    FG_SCALAR lanes[FG_WIDTH];
    const size_t whole = batch / FG_WIDTH * FG_WIDTH;
    FG_REAL below = zero, tops = zero;
    for (size_t i = 0; i < m; i++, d += ld) {
        size_t open = 0; /* the first sample that something passes on; most often that is the very first */
        for (size_t j = 0; j < whole; j += FG_WIDTH) {
            const FG_REAL x = FG_LOAD(d + j);
            below = below + FG_WHERE(FG_LT(x, limit), one, zero);
            tops = FG_MAXIMUM(tops, x);
        }
        for (size_t j = whole; j < batch; j++) {
            *saturated += d[j] < closed;
            *top = d[j] > *top ? d[j] : *top;
        }
        while (open < batch && !(d[open] > 0))
            open++;
        *dead += open == batch;
    }
    FG_STORE(lanes, below);
    for (int j = 0; j < FG_WIDTH; j++)
        *saturated += lanes[j];
    FG_STORE(lanes, tops);
    for (int j = 0; j < FG_WIDTH; j++)
        *top = lanes[j] > *top ? lanes[j] : *top;
}

/* z (sizes[l+1], ld) = W^T x + b of layer l, a panel at a time, and through the activation where there is one. */
static int FG(layer_forward)(const fg_kernels *kernels, fg_network *net, size_t l)
{
    const size_t fan_in = net->sizes[l], fan_out = net->sizes[l + 1], ld = net->ld;
    const int hidden = l + 1 < net->layers;
    const FG_SCALAR *const weight = (const FG_SCALAR *)net->weights[l], *const bias = (const FG_SCALAR *)net->biases[l];
    FG_SCALAR *const y = (FG_SCALAR *)(hidden ? (FG_SCALAR *)net->x[l + 1] : (FG_SCALAR *)net->outputs);
    FG_SCALAR *const d = hidden ? (FG_SCALAR *)net->d[l] : NULL;
    const size_t above = hidden ? net->sizes[l + 2] * fan_out * sizeof(FG_SCALAR) : 0;
    const char *const next = (const char *)net->weights[hidden ? l + 1 : l];
    fg_besides besides = {next, next + above, NULL};
    double d_top = 0;
    for (size_t i = 0, m, rows = fg_panel(ld); i < fan_out; i += m) {
        m = fan_out - i < rows ? fan_out - i : rows;
        besides.bias = bias + i;
        FG(gemm)(&besides, m, ld / FG_WIDTH, fan_in, weight + i, 1, fan_out, (FG_SCALAR *)net->x[l], ld, y + i * ld,
                 ld);
        for (size_t j = i; j < i + m; j++)
            for (size_t b = net->batch; b < ld; b++)
                y[j * ld + b] = 0;
        if (net->measured)
            FG(measure)(m * ld, y + i * ld, &net->signal_squares[l], &net->signal_top[l]);
        if (!hidden)
            continue;
        kernels->both[net->activation](m * ld, y + i * ld, net->parameter, y + i * ld, d + i * ld);
        if (net->measured)
            FG(count_closed)(m, ld, net->batch, net->threshold, d + i * ld, &net->saturated[l], &net->dead[l], &d_top);
    }
    if (!net->measured)
        return 0;
    net->weight_top[l] = FG(largest)(fan_in * fan_out, weight);
    net->bias_top[l] = FG(largest)(fan_out, bias);
    const double top = net->signal_top[l], squares = net->signal_squares[l];
    return !(squares - squares == 0) || (top != 0 && (top < FG_SMALL || top > FG_LARGE))
        || (d_top != 0 && (d_top < FG_SMALLEST_SLOPE || d_top > FG_LARGE));
}

/* The mean softmax cross-entropy and its delta, in double as losses.py has it: 2^k delta, k the value returned. Arrays are
   (classes, batch), so that loops over samples are vectors; `sum` and `most` hold a number per sample. */
static int64_t FG(cross_entropy)(fg_network *net)
{
    const size_t batch = net->batch, classes = net->sizes[net->layers], ld = net->ld, numbers = batch * classes;
    const FG_SCALAR *const outputs = (FG_SCALAR *)net->outputs;
    const int64_t *const labels = (const int64_t *)net->targets;
    FG_SCALAR *const delta = (FG_SCALAR *)net->delta;
    double *FG_RESTRICT const log_p = net->log_p, *FG_RESTRICT const p = log_p + numbers;
    double *FG_RESTRICT const sum = p + numbers, *FG_RESTRICT const most = sum + batch;
    double largest = -INFINITY, loss = 0;
    for (size_t b = 0; b < batch; b++)
        most[b] = outputs[b];
    for (size_t c = 1; c < classes; c++)
        for (size_t b = 0; b < batch; b++)
            most[b] = outputs[c * ld + b] > most[b] ? outputs[c * ld + b] : most[b];
    for (size_t c = 0; c < classes; c++)
        for (size_t b = 0; b < batch; b++)
            log_p[c * batch + b] = (double)outputs[c * ld + b] - most[b];
    FG_EXPONENTIAL(numbers, log_p, 0, p);
    for (size_t b = 0; b < batch; b++)
        sum[b] = most[b] = 0;
    for (size_t c = 0; c < classes; c++)
        for (size_t b = 0; b < batch; b++) { /* the first of the largest is the 1 of log1p */
            const int largest_one = log_p[c * batch + b] == 0;
            sum[b] += largest_one && !(most[b] > 0) ? 0 : p[c * batch + b];
            most[b] = largest_one ? 1 : most[b];
        }
    for (size_t b = 0; b < batch; b++) {
        sum[b] = log1p(sum[b]);
        most[b] = -INFINITY;
    }
    for (size_t c = 0; c < classes; c++)
        for (size_t b = 0; b < batch; b++) {
            const double row = log_p[c * batch + b] -= sum[b];
            most[b] = (int64_t)c != labels[b] && row > most[b] ? row : most[b];
        }
    for (size_t b = 0; b < batch; b++) {
        loss -= log_p[(size_t)labels[b] * batch + b];
        largest = most[b] > largest ? most[b] : largest;
    }
    net->loss = loss / (double)batch;
    const int none = largest < FG_LOWEST_LOG;
    if (none && loss == loss) /* delta stays 0; NaN goes on */
        return 0;
    const int64_t k = none ? 0 : (int64_t)floor(largest / FG_LN_2) + 1; /* exponents below are at most 0 */
    for (size_t i = 0; i < numbers; i++)
        log_p[i] -= (double)k * FG_LN_2;
    FG_EXPONENTIAL(numbers, log_p, 0, p);
    for (size_t b = 0; b < batch; b++)
        p[(size_t)labels[b] * batch + b] = sum[b] = 0;
    for (size_t c = 0; c < classes; c++)
        for (size_t b = 0; b < batch; b++) {
            sum[b] += p[c * batch + b];
            delta[c * ld + b] = (FG_SCALAR)(p[c * batch + b] / (double)batch);
        }
    for (size_t b = 0; b < batch; b++)
        delta[(size_t)labels[b] * ld + b] = (FG_SCALAR)(-sum[b] / (double)batch);
    return k;
}

/* The mean squared error and its delta. */
static int64_t FG(mean_squared_error)(fg_network *net)
{
    const size_t outputs = net->sizes[net->layers], ld = net->ld;
    const double count = (double)(outputs * net->batch);
    const FG_SCALAR *const o = (FG_SCALAR *)net->outputs, *const targets = (const FG_SCALAR *)net->targets;
    FG_SCALAR *const delta = (FG_SCALAR *)net->delta;
    double loss = 0;
    for (size_t c = 0; c < outputs; c++)
        for (size_t b = 0; b < net->batch; b++) {
            const double r = (double)o[c * ld + b] - (double)targets[b * outputs + c];
            loss += r * r;
            delta[c * ld + b] = (FG_SCALAR)(r * (2.0 / count));
        }
    net->loss = loss / count;
    return 0;
}

/* delta *= 2^shift, rounded once. */
static void FG(shift)(size_t count, int shift, FG_SCALAR *delta)
{
    if (-1000 <= shift && shift <= 1000) {
        const double factor = ldexp(1.0, shift);
        for (size_t i = 0; i < count; i++)
            delta[i] = (FG_SCALAR)(delta[i] * factor);
    } else
        for (size_t i = 0; i < count; i++)
            delta[i] = (FG_SCALAR)ldexp(delta[i], shift);
}

/* sum of a[i] b[i], in double. */
static double FG(dot)(size_t n, const FG_SCALAR *a, const FG_SCALAR *b)
{
    double lanes[16] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t j = 0; j < 16; j++)
            lanes[j] += (double)a[i + j] * (double)b[i + j];
    for (; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    for (int j = 0; j < 16; j++)
        sum += lanes[j];
    return sum;
}

/* Rounding errors that a sum of n products in a Gram matrix may have: those of its blocks (gemm), and of adding them. */
FG_INLINE double FG(roundings)(size_t n)
{
    return n <= 2 * FG_DEEP ? (double)n : FG_DEEP + (double)(n / FG_DEEP + 1);
}

/* |dL/dW|^2 = sum over pairs of samples of <x, x'> <delta, delta'>: two Gram matrices, cheaper than dL/dW itself
   where the batch is narrower than the layer. They are symmetric: of each row only what lies beyond the diagonal.

   A sum of n products is off by at most n u |x| |x'|, u half an ulp of 1, so that of samples which cancel (x much alike,
   delta opposite) the sum over pairs is off by at most (n u + m u) (sum over samples of |x| |delta|)^2, and the norms are on
   the diagonals. Where that is more than FG_GRAM_ERROR of the sum, -1: the product itself is off by its root only. */
static double FG(gram_squares)(fg_network *net, size_t l)
{
    const size_t batch = net->batch, ld = net->ld;
    const FG_SCALAR *const x = (FG_SCALAR *)net->x[l], *const delta = (FG_SCALAR *)net->delta;
    FG_SCALAR *const gram_x = (FG_SCALAR *)net->scratch, *const gram_delta = gram_x + fg_gram_rows(batch, ld) * ld;
    fg_besides nothing = {NULL, NULL, NULL};
    const double unit = sizeof(FG_SCALAR) == sizeof(float) ? FLT_EPSILON / 2 : DBL_EPSILON / 2;
    const double error = unit * (FG(roundings)(net->sizes[l]) + FG(roundings)(net->sizes[l + 1]));
    double squares = 0, norms = 0;
    for (size_t i = 0, m, rows = fg_gram_rows(batch, ld); i < batch; i += m) {
        m = batch - i < rows ? batch - i : rows;
        const size_t from = i / FG_WIDTH * FG_WIDTH, vectors = (ld - from) / FG_WIDTH;
        FG(gemm)(&nothing, m, vectors, net->sizes[l], x + i, 1, ld, x + from, ld, gram_x + from, ld);
        FG(gemm)(&nothing, m, vectors, net->sizes[l + 1], delta + i, 1, ld, delta + from, ld, gram_delta + from, ld);
        for (size_t j = 0; j < m; j++) {
            const FG_SCALAR *const row_x = gram_x + j * ld + i + j, *const row_delta = gram_delta + j * ld + i + j;
            const double own = (double)*row_x * (double)*row_delta;
            squares += own + 2 * FG(dot)(batch - i - j - 1, row_x + 1, row_delta + 1);
            norms += sqrt(own);
        }
    }
    return error * norms * norms <= FG_GRAM_ERROR * squares ? squares : -1;
}

/* to[0 ... columns W) = the sum of from's n rows, each ld long, in registers: adding to memory waits for every store. */
FG_INLINE void FG(sum_columns)(const int columns, size_t n, const FG_SCALAR *from, size_t ld, FG_SCALAR *to)
{
    FG_REAL sum[4];
    FG_UNROLL
    for (int j = 0; j < columns; j++)
        sum[j] = FG_LOAD(from + j * FG_WIDTH);
    for (size_t b = 1; b < n; b++)
        FG_UNROLL
        for (int j = 0; j < columns; j++)
            sum[j] = sum[j] + FG_LOAD(from + b * ld + j * FG_WIDTH);
    FG_UNROLL
    for (int j = 0; j < columns; j++)
        FG_STORE(to + j * FG_WIDTH, sum[j]);
}

/* The same for any number m of columns. */
static void FG(sum_rows)(size_t m, size_t n, const FG_SCALAR *from, size_t ld, FG_SCALAR *to)
{
    size_t o = 0;
    for (; o + 4 * FG_WIDTH <= m; o += 4 * FG_WIDTH)
        FG(sum_columns)(4, n, from + o, ld, to + o);
    for (; o + FG_WIDTH <= m; o += FG_WIDTH)
        FG(sum_columns)(1, n, from + o, ld, to + o);
    for (; o < m; o++) {
        FG_SCALAR sum = from[o];
        for (size_t b = 1; b < n; b++)
            sum += from[b * ld + o];
        to[o] = sum;
    }
}

/* dL/dW (fan_in, fan_out) of layer l, a panel of rows at a time, and dL/db: kept if wanted; dL/dW's sum of squares. */
static double FG(weight_gradient)(fg_network *net, size_t l)
{
    const size_t fan_in = net->sizes[l], fan_out = net->sizes[l + 1], ld = net->ld;
    const size_t wide = (fan_out + FG_WIDTH - 1) / FG_WIDTH * FG_WIDTH;
    const FG_SCALAR *const x = (FG_SCALAR *)net->x[l], *const delta = (FG_SCALAR *)net->delta;
    FG_SCALAR *const rows = (FG_SCALAR *)net->scratch, *const panel = rows + net->batch * wide;
    FG_SCALAR *const kept = net->dweights ? (FG_SCALAR *)net->dweights[l] : NULL;
    const int direct = kept && wide == fan_out;
    fg_besides besides = {NULL, NULL, NULL};
    double squares = 0, top = 0;
    FG(transpose)(fan_out, net->batch, delta, ld, rows, wide);
    if (kept)
        FG(sum_rows)(fan_out, net->batch, rows, wide, (FG_SCALAR *)net->dbiases[l]);
    for (size_t i = 0, m, most = fg_panel(wide); i < fan_in; i += m) {
        m = fan_in - i < most ? fan_in - i : most;
        FG_SCALAR *const to = direct ? kept + i * fan_out : panel;
        FG(gemm)(&besides, m, wide / FG_WIDTH, net->batch, x + i * ld, ld, 1, rows, wide, to, wide);
        if (net->measured)
            FG(measure)(m * wide, to, &squares, &top);
        for (size_t j = 0; kept && !direct && j < m; j++)
            memcpy(kept + (i + j) * fan_out, panel + j * wide, fan_out * sizeof(FG_SCALAR));
    }
    return squares;
}

/* delta of the layer below: W delta, times its phi', a panel at a time. */
static void FG(layer_backward)(fg_network *net, size_t l)
{
    const size_t fan_in = net->sizes[l], fan_out = net->sizes[l + 1], ld = net->ld;
    const FG_SCALAR *const d = (FG_SCALAR *)net->d[l - 1], *const weight = (const FG_SCALAR *)net->weights[l];
    FG_SCALAR *const below = (FG_SCALAR *)net->other;
    const char *const next = (const char *)net->weights[l - 1];
    fg_besides besides = {next, next + net->sizes[l - 1] * fan_in * sizeof(FG_SCALAR), NULL};
    for (size_t i = 0, m, rows = fg_panel(ld); i < fan_in; i += m) {
        m = fan_in - i < rows ? fan_in - i : rows;
        FG(gemm)(&besides, m, ld / FG_WIDTH, fan_out, weight + i * fan_out, fan_out, 1, (FG_SCALAR *)net->delta,
                 ld, below + i * ld, ld);
        for (size_t j = i * ld; j < (i + m) * ld; j += FG_WIDTH)
            FG_STORE(below + j, FG_LOAD(below + j) * FG_LOAD(d + j));
        if (net->measured)
            FG(measure)(m * ld, below + i * ld, &net->delta_squares[l - 1], &net->delta_top[l - 1]);
    }
    net->other = net->delta;
    net->delta = below;
}

/* Bring delta of layer l back into the window by a power of two, which is what the value returned says was taken. */
static int64_t FG(rescale)(fg_network *net, size_t l)
{
    double *const top = &net->delta_top[l], *const squares = &net->delta_squares[l];
    const size_t count = net->sizes[l + 1] * net->ld;
    if (*top == 0 || (*top >= FG_SMALL && *top <= FG_LARGE) || *top - *top != 0) /* not finite: nothing helps */
        return 0;
    const int taken = (int)floor(log2(*top));
    FG(shift)(count, -taken, (FG_SCALAR *)net->delta);
    *top = *squares = 0;
    FG(measure)(count, (FG_SCALAR *)net->delta, squares, top);
    return taken;
}

/* Layers `from` to `to` once more, whose x and d others have overwritten. Nothing is measured again. */
static void FG(block_forward)(const fg_kernels *kernels, fg_network *net, size_t from, size_t to)
{
    const int measured = net->measured;
    net->measured = 0;
    for (size_t l = from; l < to; l++)
        FG(layer_forward)(kernels, net, l);
    net->measured = measured;
}

/* Forward, loss, backward. Returns 0, or 1 if the signal leaves the window in which plain numbers serve: the caller
   must then carry exponents forward as well. Measuring, delta is kept in the window by powers of two. */
static int FG(network)(const fg_kernels *kernels, fg_network *net)
{
    const size_t last = net->layers - 1, outputs = net->sizes[net->layers] * net->ld;
    FG(transpose)(net->batch, net->sizes[0], (const FG_SCALAR *)net->inputs, net->sizes[0], (FG_SCALAR *)net->x[0],
                  net->ld);
    for (size_t l = 0; l < net->layers; l++)
        if (FG(layer_forward)(kernels, net, l))
            return 1;
    memset((FG_SCALAR *)net->delta, 0, outputs * sizeof(FG_SCALAR)); /* the columns beyond the batch */
    int64_t exponent = net->cross_entropy ? FG(cross_entropy)(net) : FG(mean_squared_error)(net);
    if (net->measured)
        FG(measure)(outputs, (FG_SCALAR *)net->delta, &net->delta_squares[last], &net->delta_top[last]);
    else if (exponent)
        FG(shift)(outputs, (int)(exponent < -5000 ? -5000 : exponent), (FG_SCALAR *)net->delta);
    for (size_t l = net->layers; l-- > 0;) {
        if (net->measured) {
            exponent += FG(rescale)(net, l);
            net->delta_exponent[l] = exponent;
        }
        const size_t fan_in = net->sizes[l], fan_out = net->sizes[l + 1];
        /* Gram: batch^2 (fan_in + fan_out); the product: batch fan_in fan_out and a transposition. */
        const int gram = !net->dweights && net->batch * (fan_in + fan_out) < (fan_in + 2 * FG_WIDTH) * fan_out;
        double squares = gram ? FG(gram_squares)(net, l) : -1;
        if (squares < 0)
            squares = FG(weight_gradient)(net, l);
        if (net->measured)
            net->gradient_squares[l] = squares;
        if (l && net->block && l % net->block == 0)
            FG(block_forward)(kernels, net, l - net->block, l);
        if (l)
            FG(layer_backward)(net, l);
    }
    return 0;
}
