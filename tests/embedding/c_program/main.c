/* activate NUMBER < z > y_and_d: float32 pre-activations in, phi(z) and then phi'(z) out; NUMBER as in fastgrad/abi.h. */
#include <fastgrad/fastgrad.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const fastgrad_table *const fastgrad = fastgrad_open(NULL);
    const int activation = argc > 1 ? atoi(argv[1]) : FASTGRAD_TANH;
    float z[1024], y[1024], d[1024];
    const size_t n = fread(z, sizeof *z, 1024, stdin);
    if (fastgrad->value_and_derivative(activation, sizeof *z, n, z, 1, y, d) != FASTGRAD_OK) {
        fprintf(stderr, "fastgrad %s has no activation %d\n", fastgrad->version, activation);
        return 2;
    }
    return fwrite(y, sizeof *y, n, stdout) + fwrite(d, sizeof *d, n, stdout) != 2 * n;
}
