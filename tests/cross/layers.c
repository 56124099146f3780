/* Random numbers and a dense layer of one instruction set: layers SET TYPE BATCH FAN_IN FAN_OUT.
   Reads x, weight, bias and dy; writes y, d, dx, dweight, dbias and as many normal numbers as x has. */
#include <fastgrad/kernels.h>
#include <stdio.h>
#include <stdlib.h>

#define RUN(SCALAR, TYPE)                                                                                     \
    do {                                                                                                      \
        const size_t sizes[4] = {batch * fan_in, fan_in * fan_out, fan_out, batch * fan_out};                 \
        SCALAR *in[4], *y = malloc(8 * sizes[3]), *d = malloc(8 * sizes[3]), *dz = malloc(8 * sizes[3]);      \
        SCALAR *dx = malloc(8 * sizes[0]), *dw = malloc(8 * sizes[1]), *db = malloc(8 * sizes[2]);            \
        for (int i = 0; i < 4; i++) {                                                                         \
            in[i] = malloc(8 * sizes[i]);                                                                     \
            if (fread(in[i], sizeof(SCALAR), sizes[i], stdin) != sizes[i])                                    \
                return 4;                                                                                     \
        }                                                                                                     \
        const size_t forward = set->TYPE->dense_scratch(batch, fan_in, fan_out, 0);                           \
        const size_t backward = set->TYPE->dense_scratch(batch, fan_in, fan_out, 1);                          \
        void *scratch = malloc(8 * (forward + backward) + 64);                                                \
        const fg_dense layer = {batch, fan_in, fan_out, in[0], in[1], in[2], scratch};                        \
        set->TYPE->dense_forward(set->TYPE, &layer, FG_TANH, 0, y, d);                                        \
        set->TYPE->dense_backward(&layer, in[3], d, dz, dx, dw, db);                                          \
        fwrite(y, sizeof(SCALAR), sizes[3], stdout);                                                          \
        fwrite(d, sizeof(SCALAR), sizes[3], stdout);                                                          \
        fwrite(dx, sizeof(SCALAR), sizes[0], stdout);                                                         \
        fwrite(dw, sizeof(SCALAR), sizes[1], stdout);                                                         \
        fwrite(db, sizeof(SCALAR), sizes[2], stdout);                                                         \
        set->TYPE->fill(key, 3, FG_NORMAL, 1.0, 0, sizes[0], dx);                                             \
        fwrite(dx, sizeof(SCALAR), sizes[0], stdout);                                                         \
    } while (0)

int main(int argc, char **argv)
{
    const uint32_t key[4] = {1, 2, 3, 4};
    if (argc != 6)
        return 2;
    const size_t batch = (size_t)atol(argv[3]), fan_in = (size_t)atol(argv[4]), fan_out = (size_t)atol(argv[5]);
    for (size_t i = 0; i < sizeof fg_all_sets / sizeof *fg_all_sets; i++) {
        const fg_set *set = &fg_all_sets[i];
        if (strcmp(set->name, argv[1]) != 0)
            continue;
        if (strcmp(argv[2], "float32") == 0)
            RUN(float, f32);
        else
            RUN(double, f64);
        return 0;
    }
    return 3;
}
