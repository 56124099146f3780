/* Run one kernel of one instruction set over standard input: driver SET KIND ACTIVATION TYPE PARAMETER.
   Built with a cross compiler and run by an emulator, it lets the kernel tests judge other processors' kernels. */
#include <fastgrad/kernels.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const size_t most = 1 << 20;
    const fg_set *const set = argc == 6 ? fg_find(argv[1]) : NULL;
    if (!set)
        return 2;
    const int kind = atoi(argv[2]), activation = atoi(argv[3]);
    const fg_kernels *const kernels = strcmp(argv[4], "float32") == 0 ? set->single : set->wide;
    void *const z = malloc(most * kernels->item), *const y = malloc(most * kernels->item);
    const size_t n = fread(z, kernels->item, most, stdin);
    (kind ? kernels->derivative : kernels->value)[activation](n, z, atof(argv[5]), y);
    return fwrite(y, kernels->item, n, stdout) != n;
}
