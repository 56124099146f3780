/* threads CALLS: eight threads that make so many random calls each; for ThreadSanitizer. */
#include "calls.h"
#include <pthread.h>

static void *give(size_t bytes)
{
    return malloc(bytes);
}

static void give_back(void *memory, size_t bytes)
{
    (void)bytes;
    free(memory);
}

static const fastgrad_table *table;
static long calls;

static void *work(void *number)
{
    uint64_t state = (uint64_t)(size_t)number;
    uint8_t data[4096];
    for (long i = 0; i < calls; i++) {
        random_bytes(&state, data, sizeof data);
        one_call(table, data, sizeof data);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static const char *const sets[] = {"avx512", "avx2", "baseline", "scalar"};
    pthread_t threads[8];
    calls = argc > 1 ? atol(argv[1]) : 1000;
    for (int s = 0; s < 4; s++) {
        table = fastgrad_open(sets[s]);
        if (!table)
            continue;
        for (size_t i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, work, (void *)(i + 1));
        for (size_t i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
        printf("%s %ld\n", sets[s], 8 * calls);
    }
    return 0;
}
