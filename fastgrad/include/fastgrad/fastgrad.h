/* The table of abi.h for programs without Python, in C99 or C++11; link libfastgrad.

       const fastgrad_table *fastgrad = fastgrad_open(NULL);
       fastgrad->value(FASTGRAD_TANH, sizeof *z, n, z, 0, y);

   `python -m fastgrad config --cflags --libs`, the CMake package and fastgrad.pc say where header and library are. */
#ifndef FASTGRAD_FASTGRAD_H
#define FASTGRAD_FASTGRAD_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The table over one instruction set (`avx512`, `avx2`, `baseline`, `neon`, `scalar`), or over the best that this processor
   runs if `cpu` is NULL; NULL if there is none of that name or the processor does not run it. Call it before starting
   threads: a program has one table, and a later call for another set changes what it does. */
const fastgrad_table *fastgrad_open(const char *cpu);

#ifdef __cplusplus
}
#endif

#endif
