/* One call of the C table, made of bytes: which function, with what, and whether it did what abi.h says. Memory comes from
   give(), which whoever includes this defines; every array has exactly the size that the function is promised. */
#include <fastgrad/fastgrad.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *give(size_t bytes);
static void give_back(void *memory, size_t bytes);

typedef struct {
    const uint8_t *at, *end;
} source;

static uint64_t take(source *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes && from->at < from->end; i++)
        value |= (uint64_t)*from->at++ << (8 * i);
    return value;
}

/* A number of any bits, or one of those that matter. */
static double number(source *from)
{
    static const double special[] = {0, -0.0, 1, -1, 88.7, -88.7, 709, -745, 1e-40, 1e-310, 1e30, -1e300, INFINITY, -INFINITY,
                                     NAN, -104};
    const uint64_t how = take(from, 1);
    double x;
    if (how < 16)
        return special[how];
    if (how < 200)
        return ((double)take(from, 2) - 32768) / 1024;
    const uint64_t bits = take(from, 8);
    memcpy(&x, &bits, sizeof x);
    return x;
}

#define MOST 64 /* arrays of one call */
typedef struct {
    void *memory;
    size_t bytes;
} array;
typedef struct {
    size_t item;
    int count;
    array arrays[MOST];
} kept;

static void *keep(kept *all, size_t bytes)
{
    all->arrays[all->count].bytes = bytes;
    return all->arrays[all->count++].memory = give(bytes);
}

/* n numbers; with `tame` of a size that networks have. */
static void *filled(kept *all, source *from, size_t n, int tame)
{
    void *const memory = keep(all, n * all->item);
    for (size_t i = 0; i < n; i++) {
        const double x = tame ? ((double)take(from, 1) - 128) / 128 : number(from);
        const float narrow = (float)x;
        memcpy((char *)memory + i * all->item, all->item == 4 ? (const void *)&narrow : (const void *)&x, all->item);
    }
    return memory;
}

static double get(const kept *all, const void *memory, size_t i)
{
    return all->item == 4 ? ((const float *)memory)[i] : ((const double *)memory)[i];
}

static void expect(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not as abi.h says: %s\n", what);
        abort();
    }
}

static void elementwise(const fastgrad_table *table, source *from, kept *all)
{
    const int activation = (int8_t)take(from, 1) % 7, kind = take(from, 1) % 4, known = activation >= 0 && activation < 5;
    const size_t n = take(from, 1) % 8 ? take(from, 1) % 70 : take(from, 2) % 300, item = all->item;
    const double parameter = ldexp((double)take(from, 1) / 256, (int)(take(from, 1) % 100));
    void *const z = filled(all, from, n, 0), *const dy = filled(all, from, kind == 3 ? n : 0, 0);
    void *const d = keep(all, kind == 2 ? n * item : 0);
    void *const before = keep(all, n * item), *const y = take(from, 1) % 2 ? z : keep(all, n * item);
    memcpy(before, z, n * item);
    const int code = kind == 0   ? table->value(activation, item, n, z, parameter, y)
                     : kind == 1 ? table->derivative(activation, item, n, z, parameter, y)
                     : kind == 2 ? table->value_and_derivative(activation, item, n, z, parameter, y, d)
                                 : table->backward(activation, item, n, z, parameter, dy, y);
    expect(code == (known ? FASTGRAD_OK : FASTGRAD_UNKNOWN_ACTIVATION), "the code of an activation");
    for (size_t i = 0; known && kind < 3 && i < n; i++)
        expect(!isnan(get(all, before, i)) == !isnan(get(all, y, i)), "NaN, and only NaN, gives NaN");
    expect(table->value(0, item + 1, n, z, parameter, y) == FASTGRAD_BAD_ARGUMENT, "numbers of another size");
    fastgrad_choice choice = {activation, kind % 2, parameter};
    expect(known || isnan(table->scalar(1, &choice)), "scalar of an unknown activation");
}

static void drawn(const fastgrad_table *table, source *from, kept *all)
{
    const int distribution = (int8_t)take(from, 1) % 5;
    const size_t n = take(from, 1) % 8 ? take(from, 1) : take(from, 2) % 1500;
    const uint64_t first = take(from, 8), begin = take(from, 1) % 8 ? first / 256 * 256 : first;
    uint32_t key[4];
    for (int i = 0; i < 4; i++)
        key[i] = (uint32_t)take(from, 4);
    void *const out = keep(all, n * all->item);
    const int code = table->draw(distribution, all->item, key, (uint32_t)take(from, 4), begin, 1, n, out);
    expect(code == (distribution < 0 || distribution > 2 || begin % 256 ? FASTGRAD_BAD_ARGUMENT : FASTGRAD_OK), "draw");
    for (size_t i = 0; !code && i < n; i++)
        expect(fabs(get(all, out, i)) <= (distribution == 0 ? 1 : distribution == 1 ? 10 : 2), "the range of a draw");
}

static void dense(const fastgrad_table *table, source *from, kept *all)
{
    const size_t most = take(from, 1) % 8 ? 10 : 40, item = all->item;
    const size_t batch = take(from, 1) % most, fan_in = take(from, 1) % most, fan_out = take(from, 1) % most;
    const int activation = (int8_t)take(from, 1) % 6, tame = take(from, 1) % 2;
    const size_t bytes = table->dense_room(item, batch, fan_in, fan_out);
    void *const x = filled(all, from, batch * fan_in, tame), *const weight = filled(all, from, fan_in * fan_out, tame);
    void *const bias = filled(all, from, fan_out, tame), *const dy = filled(all, from, batch * fan_out, tame);
    void *const y = keep(all, batch * fan_out * item), *const d = keep(all, batch * fan_out * item);
    void *const dx = keep(all, batch * fan_in * item), *const dweight = keep(all, fan_in * fan_out * item);
    void *const dbias = keep(all, fan_out * item), *const room = keep(all, bytes);
    const int empty = !batch || !fan_in || !fan_out, known = activation >= 0 && activation < 5;
    int code = table->dense_forward(activation, item, 1, batch, fan_in, fan_out, x, weight, bias, y, d, room, NULL, NULL);
    expect(code == (!known ? FASTGRAD_UNKNOWN_ACTIVATION : empty ? FASTGRAD_BAD_ARGUMENT : FASTGRAD_OK), "dense_forward");
    if (code)
        return;
    code = table->dense_backward(item, batch, fan_in, fan_out, dy, d, x, weight, dx, dweight, dbias, room, NULL, NULL);
    expect(code == FASTGRAD_OK, "dense_backward");
}

static void network(const fastgrad_table *table, source *from, kept *all)
{
    enum { DEEPEST = 7 };
    const size_t most = take(from, 1) % 8 ? 7 : 50;
    const size_t layers = 1 + take(from, 1) % (DEEPEST - 1), batch = take(from, 1) % most, item = all->item;
    const int activation = (int8_t)take(from, 1) % 6, loss = take(from, 1) % 3, tame = take(from, 1) % 2;
    const int profile = take(from, 1) % 2, wrong = take(from, 1) % 8 == 0;
    size_t sizes[DEEPEST + 1], bytes;
    int empty = layers < 2 || batch < 1 || loss > 1;
    for (size_t l = 0; l <= layers; l++)
        empty |= !(sizes[l] = take(from, 1) % most);
    const void *weights[DEEPEST], *biases[DEEPEST];
    void *dweights[DEEPEST], *dbiases[DEEPEST];
    for (size_t l = 0; l < layers; l++) {
        weights[l] = filled(all, from, sizes[l] * sizes[l + 1], tame), biases[l] = filled(all, from, sizes[l + 1], tame);
        dweights[l] = keep(all, sizes[l] * sizes[l + 1] * item), dbiases[l] = keep(all, sizes[l + 1] * item);
    }
    const size_t classes = sizes[layers];
    void *const x = filled(all, from, batch * sizes[0], tame);
    void *targets;
    if (loss == FASTGRAD_CROSS_ENTROPY) {
        targets = keep(all, batch * sizeof(int64_t));
        for (size_t b = 0; b < batch; b++)
            ((int64_t *)targets)[b] = classes ? (int64_t)(take(from, 1) % classes) : 0;
        if (wrong && batch)
            ((int64_t *)targets)[take(from, 1) % batch] = take(from, 1) % 2 ? -1 : (int64_t)classes;
    } else
        targets = filled(all, from, batch * classes, tame);
    bytes = empty ? 0 : table->network_room(item, layers, sizes, batch);
    void *const room = keep(all, bytes);
    double mean, *const delta = keep(all, layers * sizeof *delta), *const dweight = keep(all, layers * sizeof *dweight);
    const int code = profile ? table->network_profile(activation, item, 1, loss, layers, sizes, batch, weights, biases, x,
                                                      targets, room, &mean, delta, dweight)
                             : table->network_gradients(activation, item, 1, loss, layers, sizes, batch, weights, biases,
                                                        x, targets, room, &mean, dweights, dbiases);
    const int known = activation >= 0 && activation < 5, bad = empty || (wrong && loss == FASTGRAD_CROSS_ENTROPY);
    const int expected = !known ? FASTGRAD_UNKNOWN_ACTIVATION : bad ? FASTGRAD_BAD_ARGUMENT : FASTGRAD_OK;
    expect(code == expected || (!expected && profile && code == FASTGRAD_OUT_OF_RANGE), "the code of a network");
    for (size_t l = 0; tame && !code && profile && l < layers; l++)
        expect(!isnan(delta[l]) && !isnan(dweight[l]), "the profile of an ordinary network");
}

static void one_call(const fastgrad_table *table, const uint8_t *data, size_t size)
{
    void (*const each[])(const fastgrad_table *, source *, kept *) = {elementwise, drawn, dense, network};
    source from = {data, data + size};
    kept all;
    memset(&all, 0, sizeof all);
    all.item = take(&from, 1) % 2 ? sizeof(float) : sizeof(double);
    each[take(&from, 1) % 4](table, &from, &all);
    for (int i = 0; i < all.count; i++)
        give_back(all.arrays[i].memory, all.arrays[i].bytes);
}

/* Pseudo-random bytes (splitmix64), for programs that have no fuzzer. */
static void random_bytes(uint64_t *state, uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t x = *state += 0x9e3779b97f4a7c15;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
        x = (x ^ x >> 27) * 0x94d049bb133111eb;
        x ^= x >> 31;
        memcpy(data + i, &x, 8);
    }
}
