/* The table of functions that fastgrad lends to other projects: its layout, and no code.

   A Python extension gets it from fastgrad_import() (capsule.h), a program without Python from fastgrad_open()
   (table.h). Every function may be called from any thread, without the GIL, on contiguous memory of the type its name
   says; it allocates nothing and keeps nothing. Floating-point exception flags are undefined after a call. */
#ifndef FASTGRAD_ABI_H
#define FASTGRAD_ABI_H

/* Design: - The promise: within one FASTGRAD_ABI this table only grows, at its end. A field never moves, changes its
             type or its meaning, and numbers of activations and errors are never used again for something else.
           - An activation is a number rather than a field, so that one more activation is no new field, and a library
             that does not know a number says so instead of calling into nowhere.
           - `cffi` and `ctypes` read the declarations below as they stand (fastgrad/ffi.py), so they keep to what
             a small parser understands: one field per line, no macros between them. */

#include <stddef.h>
#include <stdint.h>

#define FASTGRAD_ABI 1
#define FASTGRAD_VERSION "0.1.0"

enum fastgrad_activation { FASTGRAD_SIGMOID, FASTGRAD_TANH, FASTGRAD_RELU, FASTGRAD_LEAKY_RELU, FASTGRAD_ELU };

/* What functions that return int return. */
enum fastgrad_error { FASTGRAD_OK = 0, FASTGRAD_UNKNOWN_ACTIVATION = -1 };

/* One function of one number, as `scalar` reads it. */
typedef struct fastgrad_choice {
    int activation;
    int derivative; /* 0: the value, 1: the derivative */
    double parameter;
} fastgrad_choice;

/* z are pre-activations; y = phi(z), d = phi'(z) and dz = dy phi'(z) may be written over an input. `parameter` is ELU's alpha or Leaky ReLU's
   negative slope, from 0 to 2^100; the other activations ignore it. */
typedef struct fastgrad_table {
    uint32_t abi;
    uint32_t size;
    const char *version;
    const char *cpu;
    int (*value_f32)(int activation, size_t n, const float *z, float parameter, float *y);
    int (*value_f64)(int activation, size_t n, const double *z, double parameter, double *y);
    int (*derivative_f32)(int activation, size_t n, const float *z, float parameter, float *d);
    int (*derivative_f64)(int activation, size_t n, const double *z, double parameter, double *d);
    int (*value_and_derivative_f32)(int activation, size_t n, const float *z, float parameter, float *y, float *d);
    int (*value_and_derivative_f64)(int activation, size_t n, const double *z, double parameter, double *y, double *d);
    int (*backward_f32)(int activation, size_t n, const float *z, float parameter, const float *dy, float *dz);
    int (*backward_f64)(int activation, size_t n, const double *z, double parameter, const double *dy, double *dz);
    double (*scalar)(double z, void *choice);
} fastgrad_table;

/* Whether a table has a field that came after the first release: FASTGRAD_HAS(table, scalar). */
#define FASTGRAD_UP_TO(field) (offsetof(fastgrad_table, field) + sizeof(void *))
#define FASTGRAD_HAS(table, field) ((table)->size >= FASTGRAD_UP_TO(field))

#endif
