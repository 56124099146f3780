/* Run one kernel of one instruction set over standard input: driver SET KIND ACTIVATION TYPE PARAMETER.
   Built with a cross compiler and run by an emulator, it lets the kernel tests judge other processors' kernels. */
#include <fastgrad/kernels.h>
#include <stdio.h>
#include <stdlib.h>

#define RUN(SCALAR, TYPE)                                                                  \
    do {                                                                                   \
        SCALAR *z = malloc(most * sizeof *z), *y = malloc(most * sizeof *y);               \
        const size_t n = fread(z, sizeof *z, most, stdin);                                 \
        (kind ? set->TYPE->derivative : set->TYPE->value)[activation](n, z, (SCALAR)parameter, y); \
        fwrite(y, sizeof *y, n, stdout);                                                   \
    } while (0)

int main(int argc, char **argv)
{
    const size_t most = 1 << 20;
    if (argc != 6)
        return 2;
    const int kind = atoi(argv[2]), activation = atoi(argv[3]);
    const double parameter = atof(argv[5]);
    for (size_t i = 0; i < sizeof fg_all_sets / sizeof *fg_all_sets; i++) {
        const fg_set *set = &fg_all_sets[i];
        if (strcmp(set->name, argv[1]) != 0)
            continue;
        if (strcmp(argv[4], "float32") == 0)
            RUN(float, f32);
        else
            RUN(double, f64);
        return 0;
    }
    return 3;
}
