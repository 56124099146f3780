/* libFuzzer's entry: the first byte chooses the instruction set, the rest is one call. */
#include "calls.h"

static void *give(size_t bytes)
{
    return malloc(bytes);
}

static void give_back(void *memory, size_t bytes)
{
    (void)bytes;
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const sets[] = {"avx512", "avx2", "baseline", "scalar"};
    const fastgrad_table *table = size ? fastgrad_open(sets[*data % 4]) : NULL;
    if (!table)
        table = fastgrad_open(NULL);
    one_call(table, data + !!size, size - !!size);
    return 0;
}
