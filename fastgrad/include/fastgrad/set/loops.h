/* The loops over arrays, for one instruction set and one type. Head and tail run through the same vector code as the
   rest, so a number's result does not depend on where in the array it stands. Outputs may be the input itself. */

/* Design: - NumPy aligns large arrays to 16 bytes, and a store that straddles two cache lines costs two: on a long array
             the first few elements are done apart, so that the stores to `y` fall on whole lines (ReLU: 0.110 -> 0.081
             ns per element). `z` is then aligned too if it lies as `y` does, which NumPy's large arrays do.
           - FG(loop) is one function, inlined into each kernel with a constant `phi`, so that only one case of FG(apply)
             is left of it.
           - FG_BESIDE vectors at a time: a formula is one long chain, and what a processor looks ahead holds a few vectors
             of it only. With gcc's scheduler (Zen 4, ns per element, AVX2): tanh with derivative .95 -> .70, sigmoid
             .57 -> .46; AVX-512: .52 -> .46, .36 -> .33. Not in network.h, where it would spill the sums of a block. */

#ifndef FG_LONG
#define FG_LONG 512 /* elements */
enum { FG_ONLY_VALUE = 1, FG_ONLY_DERIVATIVE = 2, FG_VALUE_AND_DERIVATIVE = 3 };
#define FG_EXP FG_ACTIVATIONS /* e^z, z <= 0, in the place of an activation */
#endif

FG_SCHEDULED

/* phi and phi' of a vector, as far as `wanted`. */
FG_INLINE void FG(apply)(const int phi, const int wanted, FG_REAL z, FG_REAL parameter, FG_REAL *y, FG_REAL *d)
{
    (void)parameter;
    switch (phi) {
#define FG_CASE(NAME, UPPER, ARGUMENTS)                        \
    case FG_##UPPER:                                           \
        if (wanted & FG_ONLY_VALUE)                            \
            *y = FG(NAME) ARGUMENTS;                           \
        if (wanted & FG_ONLY_DERIVATIVE)                       \
            *d = FG(NAME##_derivative) ARGUMENTS;              \
        break;
        FG_EACH_ACTIVATION(FG_CASE)
#undef FG_CASE
    default:
        *y = FG(exp)(z);
    }
}

/* The same for `beside` whole vectors of arrays, from element i on. */
FG_INLINE void FG(apply_beside)(const int beside, const int phi, const int wanted, size_t i, const FG_SCALAR *z,
                                FG_REAL parameter, FG_SCALAR *y, FG_SCALAR *d)
{
    FG_REAL in[FG_BESIDE], value[FG_BESIDE], derivative[FG_BESIDE];
    FG_UNROLL
    for (int v = 0; v < beside; v++)
        in[v] = FG_LOAD(z + i + v * FG_WIDTH);
    FG_UNROLL
    for (int v = 0; v < beside; v++)
        FG(apply)(phi, wanted, in[v], parameter, &value[v], &derivative[v]);
    FG_UNROLL
    for (int v = 0; v < beside; v++) {
        if (wanted & FG_ONLY_VALUE)
            FG_STORE(y + i + v * FG_WIDTH, value[v]);
        if (wanted & FG_ONLY_DERIVATIVE)
            FG_STORE(d + i + v * FG_WIDTH, derivative[v]);
    }
}

FG_INLINE void FG(loop)(const int phi, const int wanted, size_t n, const FG_SCALAR *z, double parameter, FG_SCALAR *y,
                        FG_SCALAR *d)
{
    const FG_REAL p = FG_SET1((FG_SCALAR)parameter);
    const size_t vector = FG_WIDTH * sizeof(FG_SCALAR);
    FG_SCALAR *const first = wanted & FG_ONLY_VALUE ? y : d;
    FG_REAL value = p, derivative = p;
    /* Elements before the next multiple of a vector's bytes; 0 if the type itself is misaligned. */
    size_t i = 0, part = n < FG_LONG ? 0 : (-(uintptr_t)first) % vector / sizeof(FG_SCALAR);
    for (;;) {
        if (part) {
            FG(apply)(phi, wanted, FG(load_part)(z + i, part), p, &value, &derivative);
            if (wanted & FG_ONLY_VALUE)
                FG(store_part)(y + i, part, value);
            if (wanted & FG_ONLY_DERIVATIVE)
                FG(store_part)(d + i, part, derivative);
            i += part;
        }
        for (; i + FG_BESIDE * FG_WIDTH <= n; i += FG_BESIDE * FG_WIDTH)
            FG(apply_beside)(FG_BESIDE, phi, wanted, i, z, p, y, d);
        for (; i + FG_WIDTH <= n; i += FG_WIDTH)
            FG(apply_beside)(1, phi, wanted, i, z, p, y, d);
        if (i == n)
            return;
        part = n - i;
    }
}

/* inline: a compiler drops those that FASTGRAD_ONLY leaves out without a word, at -O0 too. */
#define FG_LOOPS_OF(NAME, UPPER, ARGUMENTS)                                                                    \
    static inline void FG(NAME##_value)(size_t n, const void *z, double parameter, void *y)                    \
    {                                                                                                          \
        FG(loop)(FG_##UPPER, FG_ONLY_VALUE, n, (const FG_SCALAR *)z, parameter, (FG_SCALAR *)y, NULL);         \
    }                                                                                                          \
    static inline void FG(NAME##_slope)(size_t n, const void *z, double parameter, void *d)                    \
    {                                                                                                          \
        FG(loop)(FG_##UPPER, FG_ONLY_DERIVATIVE, n, (const FG_SCALAR *)z, parameter, NULL, (FG_SCALAR *)d);    \
    }                                                                                                          \
    static inline void FG(NAME##_both)(size_t n, const void *z, double parameter, void *y, void *d)            \
    {                                                                                                          \
        FG(loop)(FG_##UPPER, FG_VALUE_AND_DERIVATIVE, n, (const FG_SCALAR *)z, parameter, (FG_SCALAR *)y,      \
                 (FG_SCALAR *)d);                                                                              \
    }
FG_EACH_ACTIVATION(FG_LOOPS_OF)
#undef FG_LOOPS_OF

#ifndef FASTGRAD_ONLY
static void FG(exponential)(size_t n, const void *z, double parameter, void *y)
{
    FG(loop)(FG_EXP, FG_ONLY_VALUE, n, (const FG_SCALAR *)z, parameter, (FG_SCALAR *)y, NULL);
}
#endif

FG_AS_BEFORE

/* out = a b. */
static void FG(multiply)(size_t n, const void *a, const void *b, void *out)
{
    const FG_SCALAR *const left = (const FG_SCALAR *)a, *const right = (const FG_SCALAR *)b;
    FG_SCALAR *const to = (FG_SCALAR *)out;
    for (size_t i = 0; i < n; i++)
        to[i] = left[i] * right[i];
}
