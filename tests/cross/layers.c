/* Random numbers and a dense layer of one instruction set: layers SET TYPE BATCH FAN_IN FAN_OUT.
   Reads x, weight, bias and dy; writes y, d, dx, dweight, dbias and as many normal numbers as x has. */
#include <fastgrad/kernels.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const uint32_t key[4] = {1, 2, 3, 4};
    const fg_set *const set = argc == 6 ? fg_find(argv[1]) : NULL;
    if (!set)
        return 2;
    const fg_kernels *const kernels = strcmp(argv[2], "float32") == 0 ? set->single : set->wide;
    const size_t batch = (size_t)atol(argv[3]), fan_in = (size_t)atol(argv[4]), fan_out = (size_t)atol(argv[5]);
    const size_t item = kernels->item;
    const size_t sizes[4] = {batch * fan_in, fan_in * fan_out, fan_out, batch * fan_out};
    void *in[4], *out[3], *y = malloc(sizes[3] * item), *d = malloc(sizes[3] * item), *dz = malloc(sizes[3] * item);
    for (int i = 0; i < 4; i++) {
        in[i] = malloc(sizes[i] * item);
        if (fread(in[i], item, sizes[i], stdin) != sizes[i])
            return 4;
    }
    for (int i = 0; i < 3; i++)
        out[i] = malloc(sizes[i] * item);
    const size_t forward = kernels->dense_scratch(batch, fan_in, fan_out, 0);
    const size_t backward = kernels->dense_scratch(batch, fan_in, fan_out, 1);
    void *const scratch = malloc((forward + backward) * item + 64);
    const fg_dense layer = {batch, fan_in, fan_out, in[0], in[1], in[2], scratch, NULL, NULL};
    kernels->dense_forward(kernels, &layer, FG_TANH, 0, y, d);
    kernels->dense_backward(&layer, in[3], d, dz, out[0], out[1], out[2]);
    fwrite(y, item, sizes[3], stdout);
    fwrite(d, item, sizes[3], stdout);
    for (int i = 0; i < 3; i++)
        fwrite(out[i], item, sizes[i], stdout);
    kernels->fill(key, 3, FASTGRAD_NORMAL, 1.0, 0, sizes[0], out[0]);
    return fwrite(out[0], item, sizes[0], stdout) != sizes[0];
}
