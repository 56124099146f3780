/* The functions of one instruction set and one type. */
#define FG_VALUE_OF(NAME, UPPER, ARGUMENTS) FG_WANTED(FG_##UPPER) ? FG(NAME##_value) : NULL,
#define FG_DERIVATIVE_OF(NAME, UPPER, ARGUMENTS) FG_WANTED(FG_##UPPER) ? FG(NAME##_slope) : NULL,
#define FG_BOTH_OF(NAME, UPPER, ARGUMENTS) FG_WANTED(FG_##UPPER) ? FG(NAME##_both) : NULL,
static const fg_kernels FG(table) = {
    sizeof(FG_SCALAR),
    FG_WIDTH,
    {FG_EACH_ACTIVATION(FG_VALUE_OF)},
    {FG_EACH_ACTIVATION(FG_DERIVATIVE_OF)},
    {FG_EACH_ACTIVATION(FG_BOTH_OF)},
    FG(multiply),
#ifndef FASTGRAD_ONLY
    FG(exponential),
    FG(network),
    FG(largest),
    FG(train),
    FG(dense_forward),
    FG(dense_backward),
    FG(dense_scratch),
    FG(fill),
    FG(multiply_add),
#endif
};
#undef FG_VALUE_OF
#undef FG_DERIVATIVE_OF
#undef FG_BOTH_OF
