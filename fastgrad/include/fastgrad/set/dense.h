/* One dense layer on arrays as their users have them, one sample a row: for one instruction set and one type. */

/* Design: - The same blocks of GEMM as in network.h; a panel of rows meets its bias and activation while it is in cache.
           - They want whole vectors of columns, so the columns beyond the last whole vector are computed apart, from a
             copy padded with 0.
           - A caller with a BLAS of its own may hand its product in: all else stays. */

/* Numbers of scratch that FG(product) needs. */
FG_INLINE size_t FG(product_scratch)(size_t m, size_t n, size_t depth)
{
    return n % FG_WIDTH ? (depth + m) * FG_WIDTH : 0;
}

/* C (m, n) = A (m, depth) B (depth, n): any shape. */
static void FG(product)(size_t m, size_t n, size_t depth, const FG_SCALAR *a, size_t row, size_t col,
                        const FG_SCALAR *b, size_t ldb, FG_SCALAR *c, size_t ldc, FG_SCALAR *scratch)
{
    fg_besides nothing = {NULL, NULL, NULL};
    const size_t whole = n / FG_WIDTH * FG_WIDTH, rest = n - whole;
    if (whole)
        FG(gemm)(&nothing, m, whole / FG_WIDTH, depth, a, row, col, b, ldb, c, ldc);
    if (!rest)
        return;
    FG_SCALAR *const right = scratch, *const sums = scratch + depth * FG_WIDTH;
    for (size_t k = 0; k < depth; k++)
        FG_STORE(right + k * FG_WIDTH, FG(load_part)(b + k * ldb + whole, rest));
    FG(gemm)(&nothing, m, 1, depth, a, row, col, right, FG_WIDTH, sums, FG_WIDTH);
    for (size_t i = 0; i < m; i++)
        FG(store_part)(c + i * ldc + whole, rest, FG_LOAD(sums + i * FG_WIDTH));
}

/* y and d (batch, fan_out): phi and phi' of x W + b. */
static void FG(dense_forward)(const fg_kernels *kernels, const fg_dense *layer, int activation, double parameter,
                              void *to_y, void *to_d)
{
    const size_t batch = layer->batch, fan_in = layer->fan_in, fan_out = layer->fan_out;
    const FG_SCALAR *const x = (const FG_SCALAR *)layer->x, *const weight = (const FG_SCALAR *)layer->weight;
    const FG_SCALAR *const bias = (const FG_SCALAR *)layer->bias;
    FG_SCALAR *const y = (FG_SCALAR *)to_y, *const d = (FG_SCALAR *)to_d, *const scratch = (FG_SCALAR *)layer->scratch;
    if (layer->gemm)
        layer->gemm(layer->context, sizeof(FG_SCALAR), 0, 0, batch, fan_out, fan_in, x, weight, y);
    for (size_t i = 0, m, rows = fg_panel(fan_out); i < batch; i += m) {
        m = batch - i < rows ? batch - i : rows;
        FG_SCALAR *const z = y + i * fan_out;
        if (!layer->gemm)
            FG(product)(m, fan_out, fan_in, x + i * fan_in, fan_in, 1, weight, fan_out, z, fan_out, scratch);
        for (size_t r = 0; r < m; r++)
            for (size_t o = 0; o < fan_out; o++)
                z[r * fan_out + o] += bias[o];
        kernels->both[activation](m * fan_out, z, parameter, z, d + i * fan_out);
    }
}

/* dx (batch, fan_in), dweight (fan_in, fan_out) and dbias (fan_out) of dz = dy d, which is left in `dz`. */
static void FG(dense_backward)(const fg_dense *layer, const void *dy, const void *d, void *to_dz, void *to_dx,
                               void *to_dweight, void *dbias)
{
    const size_t batch = layer->batch, fan_in = layer->fan_in, fan_out = layer->fan_out;
    const FG_SCALAR *const x = (const FG_SCALAR *)layer->x, *const weight = (const FG_SCALAR *)layer->weight;
    FG_SCALAR *const dz = (FG_SCALAR *)to_dz, *const dx = (FG_SCALAR *)to_dx;
    FG_SCALAR *const dweight = (FG_SCALAR *)to_dweight, *const scratch = (FG_SCALAR *)layer->scratch;
    FG(multiply)(batch * fan_out, dy, d, dz);
    FG(sum_rows)(fan_out, batch, dz, fan_out, (FG_SCALAR *)dbias);
    if (layer->gemm) {
        layer->gemm(layer->context, sizeof(FG_SCALAR), 1, 0, fan_in, fan_out, batch, x, dz, dweight);
        layer->gemm(layer->context, sizeof(FG_SCALAR), 0, 1, batch, fan_in, fan_out, dz, weight, dx);
        return;
    }
    FG(product)(fan_in, fan_out, batch, x, 1, fan_in, dz, fan_out, dweight, fan_out, scratch);
    if (batch < fan_in) { /* dx^T = W dz^T, with what is smaller than W transposed */
        const size_t ld = (batch + FG_WIDTH - 1) / FG_WIDTH * FG_WIDTH;
        FG_SCALAR *const columns = scratch, *const sums = scratch + fan_out * ld;
        fg_besides nothing = {NULL, NULL, NULL};
        FG(transpose)(batch, fan_out, dz, fan_out, columns, ld);
        FG(gemm)(&nothing, fan_in, ld / FG_WIDTH, fan_out, weight, fan_out, 1, columns, ld, sums, ld);
        FG(transpose)(fan_in, batch, sums, ld, dx, fan_in);
    } else { /* dx = dz W^T */
        const size_t ld = (fan_in + FG_WIDTH - 1) / FG_WIDTH * FG_WIDTH;
        FG_SCALAR *const turned = scratch, *const rest = scratch + fan_out * ld;
        FG(transpose)(fan_in, fan_out, weight, fan_out, turned, ld);
        FG(product)(batch, fan_in, fan_out, dz, fan_out, 1, turned, ld, dx, fan_in, rest);
    }
}

/* Numbers of scratch that a layer needs, forward or backward. */
static size_t FG(dense_scratch)(size_t batch, size_t fan_in, size_t fan_out, int backward)
{
    if (!backward)
        return FG(product_scratch)(fg_panel(fan_out) < batch ? fg_panel(fan_out) : batch, fan_out, fan_in);
    const size_t small = batch < fan_in ? batch : fan_in, ld = (small + FG_WIDTH - 1) / FG_WIDTH * FG_WIDTH;
    const size_t turned = batch < fan_in ? (fan_out + fan_in) * ld
                                         : fan_out * ld + FG(product_scratch)(batch, fan_in, fan_out);
    const size_t weight = FG(product_scratch)(fan_in, fan_out, batch);
    return turned > weight ? turned : weight;
}
