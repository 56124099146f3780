/* The loops over arrays, for one instruction set and one type. A tail runs through the same vector code, so
   a number's result does not depend on where in the array it stands. `y` and `d` may be `z` itself. */

/* BODY sees the vector `z` and sets `y` (and `d`). */
#define FG_LOOP(NAME, SIGNATURE, TAIL_STORE, STORE_ALL, BODY)                             \
    static void FG(NAME) SIGNATURE                                                         \
    {                                                                                      \
        const FG_REAL parameter = FG_SET1(p);                                              \
        size_t i = 0;                                                                      \
        (void)parameter;                                                                   \
        for (; i + FG_WIDTH <= n; i += FG_WIDTH) {                                         \
            const FG_REAL z = FG_LOAD(in + i);                                             \
            BODY STORE_ALL                                                                 \
        }                                                                                  \
        if (i < n) {                                                                       \
            FG_SCALAR rest[FG_WIDTH] = {0};                                                \
            memcpy(rest, in + i, (n - i) * sizeof(FG_SCALAR));                             \
            const FG_REAL z = FG_LOAD(rest);                                               \
            BODY TAIL_STORE                                                                \
        }                                                                                  \
    }
#define FG_ONE_OUT (size_t n, const FG_SCALAR *in, FG_SCALAR p, FG_SCALAR *out)
#define FG_TWO_OUT (size_t n, const FG_SCALAR *in, FG_SCALAR p, FG_SCALAR *out, FG_SCALAR *out_d)
#define FG_STORE_ONE FG_STORE(out + i, y);
#define FG_STORE_TWO FG_STORE(out + i, y); FG_STORE(out_d + i, d);
#define FG_TAIL_ONE FG_STORE(rest, y); memcpy(out + i, rest, (n - i) * sizeof(FG_SCALAR));
#define FG_TAIL_TWO FG_TAIL_ONE FG_STORE(rest, d); memcpy(out_d + i, rest, (n - i) * sizeof(FG_SCALAR));

#define FG_ACTIVATION(NAME, ARGUMENTS)                                                                            \
    FG_LOOP(NAME##_value, FG_ONE_OUT, FG_TAIL_ONE, FG_STORE_ONE, const FG_REAL y = FG(NAME) ARGUMENTS;)           \
    FG_LOOP(NAME##_slope, FG_ONE_OUT, FG_TAIL_ONE, FG_STORE_ONE, const FG_REAL y = FG(NAME##_derivative) ARGUMENTS;) \
    FG_LOOP(NAME##_both, FG_TWO_OUT, FG_TAIL_TWO, FG_STORE_TWO,                                                   \
            const FG_REAL y = FG(NAME) ARGUMENTS; const FG_REAL d = FG(NAME##_derivative) ARGUMENTS;)

FG_ACTIVATION(sigmoid, (z))
FG_ACTIVATION(tanh, (z))
FG_ACTIVATION(relu, (z))
FG_ACTIVATION(leaky_relu, (z, parameter))
FG_ACTIVATION(elu, (z, parameter))
FG_LOOP(exponential, FG_ONE_OUT, FG_TAIL_ONE, FG_STORE_ONE, const FG_REAL y = FG(exp)(z);)

static const FG_TABLE_TYPE FG(table) = {
    {FG(sigmoid_value), FG(tanh_value), FG(relu_value), FG(leaky_relu_value), FG(elu_value)},
    {FG(sigmoid_slope), FG(tanh_slope), FG(relu_slope), FG(leaky_relu_slope), FG(elu_slope)},
    {FG(sigmoid_both), FG(tanh_both), FG(relu_both), FG(leaky_relu_both), FG(elu_both)},
    FG(exponential),
};

#undef FG_LOOP
#undef FG_ONE_OUT
#undef FG_TWO_OUT
#undef FG_STORE_ONE
#undef FG_STORE_TWO
#undef FG_TAIL_ONE
#undef FG_TAIL_TWO
#undef FG_ACTIVATION
