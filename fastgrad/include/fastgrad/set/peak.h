/* Multiply-adds that wait for nothing: what the processor can do at most, for one instruction set and one type. */

#define FG_CHAINS 12 /* enough to hide the latency of one, few enough for 16 registers */

/* `rounds` times FG_CHAINS vectors of multiply-adds; the result is of no interest but keeps them from being dropped. */
static double FG(multiply_add)(size_t rounds, double factor)
{
    FG_REAL sum[FG_CHAINS], one = FG_SET1(factor), zero = FG_SET1(1 - factor);
    FG_SCALAR lanes[FG_WIDTH];
    double total = 0;
    FG_UNROLL
    for (int j = 0; j < FG_CHAINS; j++)
        sum[j] = FG_SET1(j);
    for (size_t i = 0; i < rounds; i++)
        FG_UNROLL
        for (int j = 0; j < FG_CHAINS; j++)
            sum[j] = FG_MAD(sum[j], one, zero);
    for (int j = 0; j < FG_CHAINS; j++) {
        FG_STORE(lanes, sum[j]);
        total += lanes[0];
    }
    return total;
}
#undef FG_CHAINS
