/* NumPy ufuncs over the kernels: loops for any stride and for every real type, and their making. */
#ifndef FASTGRAD_UFUNCS_H
#define FASTGRAD_UFUNCS_H

/* Design: - float16, float32 and float64 stay what they are; every other real type is read as it is and computed in
             double, as the package promises (NumPy's own rule would send int8 to float16).
           - float16 is computed in float32 and rounded once, to nearest even, subnormal results too. The parameter is
             float32 then: 0.01 as a float16 is off by 2e-4.
           - The conversions are written here: NumPy's are in a library of its own that a build would have to link, and
             _Float16 is not in every compiler. They are exact where the caller flushes subnormal floats to zero.
           - Contiguous arrays go straight to the kernel; anything else through blocks on the stack, so the
             same vector code computes every element.
           - Activations with a parameter have two ufuncs: one that takes it as an operand and one bound to its
             default, because a Python scalar as an operand costs NumPy 300 ns a call.
           - The kernels' comparisons and final underflows set floating-point flags that mean nothing to the
             caller: they are cleared, so nobody gets a spurious RuntimeWarning. */

#include <Python.h>
#include <fenv.h>
#include <fastgrad/kernels.h>
#include <numpy/ndarraytypes.h>
#include <numpy/ufuncobject.h>

enum { FG_VALUE, FG_DERIVATIVE, FG_BOTH, FG_EXPONENTIAL };
enum { FG_BLOCK = 512 };

static void fg_clear_flags(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    const unsigned status = _mm_getcsr(); /* feclearexcept also saves and restores the x87 unit: 100 cycles */
    if (status & 0x1d)                    /* invalid, zero divisor, overflow, underflow: what NumPy looks at */
        _mm_setcsr(status & ~0x3fu);
#else
    feclearexcept(FE_ALL_EXCEPT);
#endif
}

typedef union {
    uint32_t bits;
    float value;
} fg_bits;

static inline float fg_from_half(npy_half half)
{
    fg_bits f = {(uint32_t)(half & 0x7fff) << 13}; /* exponent and significand in their places, 112 too low */
    if (f.bits >= 31u << 23) {
        f.bits += 224u << 23; /* infinity, NaN */
    } else if (f.bits >= 1u << 23) {
        f.bits += 112u << 23;
    } else { /* subnormal or 0: 2^-14 (1 + significand) - 2^-14 */
        f.bits += 113u << 23;
        f.value -= 0x1p-14f;
    }
    f.bits |= (uint32_t)(half & 0x8000) << 16;
    return f.value;
}

static inline npy_half fg_to_half(float value)
{
    fg_bits f;
    f.value = value;
    const uint32_t sign = f.bits & 0x80000000;
    f.bits ^= sign;
    if (f.bits >= 143u << 23) { /* 2^16 and above, NaN */
        f.bits = f.bits > 255u << 23 ? 0x7e00 : 0x7c00;
    } else if (f.bits < 113u << 23) { /* subnormal: the last place of 0.5 is the result's, 2^-24 */
        f.value += 0.5f;
        f.bits -= 126u << 23;
    } else { /* to nearest, ties to even; what is carried goes on into the exponent */
        f.bits -= 112u << 23;
        f.bits = (f.bits + 0xfff + (f.bits >> 13 & 1)) >> 13;
    }
    return (npy_half)(f.bits | sign >> 16);
}

/* What a loop gets as its data: the kernel, and the parameter to use if it is no operand. */
typedef struct {
    void *kernel;
    double parameter;
} fg_bound;

/* One loop: INPUT elements, computed as SCALAR (f32 or f64), the parameter such an operand or none, and one or two
   OUTPUTs. */
#define FG_UFUNC_LOOP(NAME, INPUT, READ, SCALAR, TYPE, OUTPUT, WRITE, WITH_PARAMETER, TWO)                       \
    static void NAME(char **args, const npy_intp *dims, const npy_intp *steps, void *data)                       \
    {                                                                                                            \
        void *const kernel = ((const fg_bound *)data)->kernel;                                                   \
        const SCALAR bound = (SCALAR)((const fg_bound *)data)->parameter;                                         \
        const npy_intp n = dims[0], out_at = 1 + (WITH_PARAMETER), param_step = (WITH_PARAMETER) ? steps[1] : 0;  \
        const npy_intp in_step = steps[0], out_step = steps[out_at], d_step = (TWO) ? steps[out_at + 1] : 0;      \
        const char *in = args[0], *param = args[1];                                                              \
        char *out = args[out_at], *d = (TWO) ? args[out_at + 1] : NULL;                                           \
        const npy_intp block = param_step ? 1 : FG_BLOCK;                                                        \
        const npy_intp size = sizeof(SCALAR);                                                                    \
        const int direct = sizeof(INPUT) == sizeof(SCALAR) && FG_SAME_##INPUT && in_step == size                  \
                        && out_step == size && (!(TWO) || d_step == size) && !param_step;                         \
        SCALAR x[FG_BLOCK], y[FG_BLOCK], dy[FG_BLOCK];                                                           \
        for (npy_intp start = 0, count; start < n; start += count) {                                             \
            const SCALAR p = (WITH_PARAMETER) ? *(const SCALAR *)(param + start * param_step) : bound;               \
            count = direct ? n : (n - start < block ? n - start : block);                                        \
            const SCALAR *from = direct ? (const SCALAR *)in : x;                                                \
            SCALAR *to = direct ? (SCALAR *)out : y, *to_d = direct ? (SCALAR *)d : dy;                           \
            for (npy_intp i = 0; !direct && i < count; i++)                                                      \
                x[i] = (SCALAR)READ(*(const INPUT *)(in + (start + i) * in_step));                                \
            if (TWO)                                                                                             \
                ((fg_two_##TYPE)kernel)((size_t)count, from, p, to, to_d);                                        \
            else                                                                                                 \
                ((fg_one_##TYPE)kernel)((size_t)count, from, p, to);                                              \
            for (npy_intp i = 0; !direct && i < count; i++) {                                                    \
                *(OUTPUT *)(out + (start + i) * out_step) = WRITE(y[i]);                                          \
                if (TWO)                                                                                         \
                    *(OUTPUT *)(d + (start + i) * d_step) = WRITE(dy[i]);                                         \
            }                                                                                                    \
        }                                                                                                        \
        fg_clear_flags();                                                                                        \
    }

#define FG_SAME_npy_float 1
#define FG_SAME_npy_double 1
#define FG_SAME_npy_longdouble 0
#define FG_SAME_npy_bool 0
#define FG_SAME_npy_byte 0
#define FG_SAME_npy_ubyte 0
#define FG_SAME_npy_short 0
#define FG_SAME_npy_ushort 0
#define FG_SAME_npy_int 0
#define FG_SAME_npy_uint 0
#define FG_SAME_npy_long 0
#define FG_SAME_npy_ulong 0
#define FG_SAME_npy_longlong 0
#define FG_SAME_npy_ulonglong 0
#define FG_SAME_npy_half 0

/* Every real type of NumPy: C type, number, how to read it, computed as; results' C type, how to write it, number. */
#define FG_EACH_INPUT(X)                                                            \
    X(npy_bool, NPY_BOOL, , double, f64, double, , NPY_DOUBLE)                      \
    X(npy_byte, NPY_BYTE, , double, f64, double, , NPY_DOUBLE)                      \
    X(npy_ubyte, NPY_UBYTE, , double, f64, double, , NPY_DOUBLE)                    \
    X(npy_short, NPY_SHORT, , double, f64, double, , NPY_DOUBLE)                    \
    X(npy_ushort, NPY_USHORT, , double, f64, double, , NPY_DOUBLE)                  \
    X(npy_int, NPY_INT, , double, f64, double, , NPY_DOUBLE)                        \
    X(npy_uint, NPY_UINT, , double, f64, double, , NPY_DOUBLE)                      \
    X(npy_long, NPY_LONG, , double, f64, double, , NPY_DOUBLE)                      \
    X(npy_ulong, NPY_ULONG, , double, f64, double, , NPY_DOUBLE)                    \
    X(npy_longlong, NPY_LONGLONG, , double, f64, double, , NPY_DOUBLE)              \
    X(npy_ulonglong, NPY_ULONGLONG, , double, f64, double, , NPY_DOUBLE)            \
    X(npy_half, NPY_HALF, fg_from_half, float, f32, npy_half, fg_to_half, NPY_HALF) \
    X(npy_float, NPY_FLOAT, , float, f32, float, , NPY_FLOAT)                       \
    X(npy_double, NPY_DOUBLE, , double, f64, double, , NPY_DOUBLE)                  \
    X(npy_longdouble, NPY_LONGDOUBLE, , double, f64, double, , NPY_DOUBLE)

#define FG_LOOPS(INPUT, NUMBER, READ, SCALAR, TYPE, OUTPUT, WRITE, RESULT)                      \
    FG_UFUNC_LOOP(fg_loop_##INPUT##_00, INPUT, READ, SCALAR, TYPE, OUTPUT, WRITE, 0, 0)         \
    FG_UFUNC_LOOP(fg_loop_##INPUT##_01, INPUT, READ, SCALAR, TYPE, OUTPUT, WRITE, 0, 1)         \
    FG_UFUNC_LOOP(fg_loop_##INPUT##_10, INPUT, READ, SCALAR, TYPE, OUTPUT, WRITE, 1, 0)         \
    FG_UFUNC_LOOP(fg_loop_##INPUT##_11, INPUT, READ, SCALAR, TYPE, OUTPUT, WRITE, 1, 1)
FG_EACH_INPUT(FG_LOOPS)

#define FG_COUNT(INPUT, NUMBER, READ, SCALAR, TYPE, OUTPUT, WRITE, RESULT) +1
enum { FG_INPUTS = 0 FG_EACH_INPUT(FG_COUNT) };

#define FG_LOOP_NAMES(INPUT, NUMBER, READ, SCALAR, TYPE, OUTPUT, WRITE, RESULT) \
    {fg_loop_##INPUT##_00, fg_loop_##INPUT##_01, fg_loop_##INPUT##_10, fg_loop_##INPUT##_11},
static const PyUFuncGenericFunction fg_loops[FG_INPUTS][4] = {FG_EACH_INPUT(FG_LOOP_NAMES)};
#define FG_NUMBERS(INPUT, NUMBER, READ, SCALAR, TYPE, OUTPUT, WRITE, RESULT) {NUMBER, RESULT},
static const char fg_numbers[FG_INPUTS][2] = {FG_EACH_INPUT(FG_NUMBERS)};

/* What one ufunc keeps for as long as the process lives. */
typedef struct {
    PyUFuncGenericFunction loops[FG_INPUTS];
    fg_bound bound[2]; /* float, double */
    void *data[FG_INPUTS];
    char types[FG_INPUTS * 4];
} fg_ufunc_tables;

/* A new ufunc: `kind` of `activation` by `set`, whose parameter is its second operand or, if not `with_parameter`,
   always `parameter`; `name` and `doc` must outlive it. */
static PyObject *fg_make_ufunc(const fg_set *set, int kind, int activation, int with_parameter, double parameter,
                               const char *name, const char *doc)
{
    const int two = kind == FG_BOTH, operands = 2 + with_parameter + two;
    fg_ufunc_tables *tables = PyMem_RawMalloc(sizeof *tables);
    if (!tables)
        return PyErr_NoMemory();
    void *const kernels[4][2] = {
        {(void *)set->f32->value[activation], (void *)set->f64->value[activation]},
        {(void *)set->f32->derivative[activation], (void *)set->f64->derivative[activation]},
        {(void *)set->f32->both[activation], (void *)set->f64->both[activation]},
        {(void *)set->f32->exponential, (void *)set->f64->exponential},
    };
    for (int wide = 0; wide < 2; wide++) {
        tables->bound[wide].kernel = kernels[kind][wide];
        tables->bound[wide].parameter = parameter;
    }
    for (int i = 0; i < FG_INPUTS; i++) {
        const int number = fg_numbers[i][0], result = fg_numbers[i][1], wide = result == NPY_DOUBLE;
        tables->loops[i] = fg_loops[i][2 * with_parameter + two];
        tables->data[i] = &tables->bound[wide];
        for (int k = 0; k < operands; k++)
            tables->types[i * operands + k] = (char)(k == 0                     ? number
                                                     : k == 1 && with_parameter ? (wide ? NPY_DOUBLE : NPY_FLOAT)
                                                                                : result);
    }
    return PyUFunc_FromFuncAndData(tables->loops, tables->data, tables->types, FG_INPUTS, 1 + with_parameter, 1 + two,
                                   PyUFunc_None, name, doc, 0);
}
#endif
