/* A pass through a network of one instruction set: network SET TYPE BATCH SIZE SIZE ...
   Reads x, then weight and bias of every layer, then int64 labels; writes, as doubles, the loss and log10 of delta and of
   dL/dW per layer, and then dweight and dbias of every layer. tanh and cross-entropy. */
#include <fastgrad/header_only.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 16 };

static void *read_numbers(size_t count, size_t size)
{
    void *const numbers = malloc(count * size);
    if (fread(numbers, size, count, stdin) != count)
        exit(4);
    return numbers;
}

int main(int argc, char **argv)
{
    const fastgrad_table *const table = argc > 5 ? fastgrad_open(argv[1]) : NULL;
    if (!table || argc > MOST + 4)
        return 2;
    const size_t batch = (size_t)atol(argv[3]), layers = (size_t)argc - 5;
    size_t sizes[MOST];
    const void *weights[MOST], *biases[MOST];
    void *dweights[MOST], *dbiases[MOST];
    double loss, delta[MOST], dweight[MOST];
    for (size_t l = 0; l <= layers; l++)
        sizes[l] = (size_t)atol(argv[4 + l]);
    const size_t item = strcmp(argv[2], "float32") == 0 ? sizeof(float) : sizeof(double);
    const void *const x = read_numbers(batch * sizes[0], item);
    for (size_t l = 0; l < layers; l++) {
        weights[l] = read_numbers(sizes[l] * sizes[l + 1], item);
        biases[l] = read_numbers(sizes[l + 1], item);
        dweights[l] = malloc(sizes[l] * sizes[l + 1] * item);
        dbiases[l] = malloc(sizes[l + 1] * item);
    }
    const void *const labels = read_numbers(batch, sizeof(int64_t));
    void *const room = malloc(table->network_room(item, layers, sizes, batch));
    if (table->network_profile(FASTGRAD_TANH, item, 0, FASTGRAD_CROSS_ENTROPY, layers, sizes, batch, weights, biases, x,
                               labels, room, &loss, delta, dweight))
        return 5;
    fwrite(&loss, sizeof loss, 1, stdout);
    fwrite(delta, sizeof *delta, layers, stdout);
    fwrite(dweight, sizeof *dweight, layers, stdout);
    if (table->network_gradients(FASTGRAD_TANH, item, 0, FASTGRAD_CROSS_ENTROPY, layers, sizes, batch, weights, biases,
                                 x, labels, room, &loss, dweights, dbiases))
        return 6;
    for (size_t l = 0; l < layers; l++) {
        fwrite(dweights[l], item, sizes[l] * sizes[l + 1], stdout);
        fwrite(dbiases[l], item, sizes[l + 1], stdout);
    }
    return 0;
}
