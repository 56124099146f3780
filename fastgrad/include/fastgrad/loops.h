/* The loops over arrays, for one instruction set and one type. Head and tail run through the same vector code as the
   rest, so a number's result does not depend on where in the array it stands. Outputs may be `in` itself. */

/* Design: NumPy aligns large arrays to 16 bytes, and a store that straddles two cache lines costs two: on a long array
           the first few elements are done apart, so that the stores to `out` fall on whole lines (ReLU: 0.110 -> 0.081
           ns per element). `in` is then aligned too if it lies as `out` does, which NumPy's large arrays do. */

/* BODY sees the vector `z` and sets `y` (and `d`); STORE_ALL and STORE_PART write them. */
#define FG_LOOP(NAME, SIGNATURE, STORE_PART, STORE_ALL, BODY)                              \
    static void FG(NAME) SIGNATURE                                                         \
    {                                                                                      \
        const FG_REAL parameter = FG_SET1(p);                                              \
        size_t i = 0, part = n < FG_LONG ? 0 : FG_UNTIL_LINE(out);                         \
        (void)parameter;                                                                   \
        for (;;) {                                                                         \
            if (part) {                                                                    \
                const FG_REAL z = FG(load_part)(in + i, part);                             \
                BODY STORE_PART                                                            \
                i += part;                                                                 \
            }                                                                              \
            for (; i + FG_WIDTH <= n; i += FG_WIDTH) {                                     \
                const FG_REAL z = FG_LOAD(in + i);                                         \
                BODY STORE_ALL                                                             \
            }                                                                              \
            if (i == n)                                                                    \
                return;                                                                    \
            part = n - i;                                                                  \
        }                                                                                  \
    }
#define FG_LONG 512 /* elements */
/* Elements before the next multiple of a vector's bytes; 0 if the type itself is misaligned. */
#define FG_UNTIL_LINE(out) \
    ((-(uintptr_t)(out)) % (FG_WIDTH * sizeof(FG_SCALAR)) / sizeof(FG_SCALAR))
#define FG_ONE_OUT (size_t n, const FG_SCALAR *in, FG_SCALAR p, FG_SCALAR *out)
#define FG_TWO_OUT (size_t n, const FG_SCALAR *in, FG_SCALAR p, FG_SCALAR *out, FG_SCALAR *out_d)
#define FG_STORE_ONE FG_STORE(out + i, y);
#define FG_STORE_TWO FG_STORE(out + i, y); FG_STORE(out_d + i, d);
#define FG_PART_ONE FG(store_part)(out + i, part, y);
#define FG_PART_TWO FG_PART_ONE FG(store_part)(out_d + i, part, d);

#define FG_ACTIVATION(NAME, ARGUMENTS)                                                                            \
    FG_LOOP(NAME##_value, FG_ONE_OUT, FG_PART_ONE, FG_STORE_ONE, const FG_REAL y = FG(NAME) ARGUMENTS;)           \
    FG_LOOP(NAME##_slope, FG_ONE_OUT, FG_PART_ONE, FG_STORE_ONE, const FG_REAL y = FG(NAME##_derivative) ARGUMENTS;) \
    FG_LOOP(NAME##_both, FG_TWO_OUT, FG_PART_TWO, FG_STORE_TWO,                                                   \
            const FG_REAL y = FG(NAME) ARGUMENTS; const FG_REAL d = FG(NAME##_derivative) ARGUMENTS;)

FG_ACTIVATION(sigmoid, (z))
FG_ACTIVATION(tanh, (z))
FG_ACTIVATION(relu, (z))
FG_ACTIVATION(leaky_relu, (z, parameter))
FG_ACTIVATION(elu, (z, parameter))
FG_LOOP(exponential, FG_ONE_OUT, FG_PART_ONE, FG_STORE_ONE, const FG_REAL y = FG(exp)(z);)

#undef FG_LOOP
#undef FG_LONG
#undef FG_UNTIL_LINE
#undef FG_ONE_OUT
#undef FG_TWO_OUT
#undef FG_STORE_ONE
#undef FG_STORE_TWO
#undef FG_PART_ONE
#undef FG_PART_TWO
#undef FG_ACTIVATION
