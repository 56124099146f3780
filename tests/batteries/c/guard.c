/* guard CALLS: every array ends where a page begins that may not be touched, or begins where one ends. First every
   elementwise function, activation, type and instruction set at every length from 0 to 257 and at offsets from either
   page; then so many random calls of all functions. Prints the calls of each. */
#include "calls.h"
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 512 };
static char *slots[MOST]; /* each PAGES of memory between two pages that may not be touched */
static int used, at_the_end = 1;

static void make_slots(void)
{
    for (int i = 0; i < MOST; i++) {
        char *const memory = mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory + PAGE, PAGES * PAGE, PROT_READ | PROT_WRITE))
            exit(3);
        slots[i] = memory + PAGE;
    }
}

static void *give(size_t bytes)
{
    if (bytes > PAGES * PAGE || used == MOST)
        exit(4);
    char *const slot = slots[used++];
    return at_the_end ? slot + (PAGES * PAGE - bytes) / 8 * 8 + (bytes % 8 == 4 ? 4 : 0) : slot;
}

static void give_back(void *memory, size_t bytes)
{
    (void)memory, (void)bytes;
    used = 0;
}

/* Where n numbers lie that end `offset` numbers before the page, or begin so many behind it. */
static char *place(int slot, size_t n, size_t item, size_t offset)
{
    return at_the_end ? slots[slot] + PAGES * PAGE - (n + offset) * item : slots[slot] + offset * item;
}

static long elementwise_calls(const fastgrad_table *table)
{
    long calls = 0;
    for (size_t item = 4; item <= 8; item += 4)
        for (int activation = 0; activation < 5; activation++)
            for (size_t n = 0; n <= 257; n++)
                for (size_t offset = 0; offset < 16; offset++)
                    for (at_the_end = 0; at_the_end < 2; at_the_end++) {
                        char *const z = place(0, n, item, offset), *const y = place(1, n, item, 0);
                        char *const d = place(2, n, item, offset / 2), *const dy = place(3, n, item, offset / 3);
                        int bad = table->value(activation, item, n, z, 1, y);
                        bad |= table->derivative(activation, item, n, z, 1, y);
                        bad |= table->value_and_derivative(activation, item, n, z, 1, y, d);
                        bad |= table->backward(activation, item, n, z, 1, dy, y);
                        expect(!bad, "a call that is right");
                        calls += 4;
                    }
    return calls;
}

int main(int argc, char **argv)
{
    static const char *const sets[] = {"avx512", "avx2", "baseline", "neon", "scalar"};
    const long wanted = argc > 1 ? atol(argv[1]) : 1000;
    uint64_t state = 1;
    uint8_t data[8192];
    make_slots();
    for (int s = 0; s < 5; s++) {
        const fastgrad_table *const table = fastgrad_open(sets[s]);
        if (!table)
            continue;
        printf("%s %ld", sets[s], elementwise_calls(table));
        for (long i = 0; i < wanted; i++) {
            at_the_end = i % 2;
            random_bytes(&state, data, sizeof data);
            one_call(table, data, sizeof data);
        }
        printf(" %ld\n", wanted);
    }
    return 0;
}
