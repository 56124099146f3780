/* NumPy ufuncs over the kernels: one loop for any stride and for every real type, and their making. */
#ifndef FASTGRAD_UFUNCS_H
#define FASTGRAD_UFUNCS_H

/* Design: - float16, float32 and float64 stay what they are; every other real type is read as it is and computed in
             double, as the package promises (NumPy's own rule would send int8 to float16).
           - float16 is computed in float32 and rounded once, to nearest even, subnormal results too. The parameter is
             float32 then: 0.01 as a float16 is off by 2e-4.
           - The conversions are written here: NumPy's are in a library of its own that a build would have to link, and
             _Float16 is not in every compiler. They are exact where the caller flushes subnormal floats to zero.
           - Contiguous arrays go straight to the kernel; anything else through blocks on the stack, so the
             same vector code computes every element. Those are a function of their own: room for them costs every call
             10 ns. Types are known to those who read and write a block, and to
             nobody else.
           - Activations with a parameter have two ufuncs: one that takes it as an operand and one bound to its
             default, because a Python scalar as an operand costs NumPy 300 ns a call.
           - The kernels' comparisons and final underflows set floating-point flags that mean nothing to the
             caller: they are cleared, so nobody gets a spurious RuntimeWarning. */

#include <Python.h>
#include <fenv.h>
#include <fastgrad/kernels.h>
#include <numpy/ndarraytypes.h>
#include <numpy/ufuncobject.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

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

/* n numbers of one type, `step` bytes apart, to or from a block of the type that is computed in. */
typedef void (*fg_reader)(const char *from, npy_intp step, npy_intp n, void *block);
typedef void (*fg_writer)(const void *block, npy_intp n, char *to, npy_intp step);

#define FG_READER(TYPE, SCALAR, CONVERT)                                                               \
    static void fg_read_##TYPE(const char *from, npy_intp step, npy_intp n, void *block)               \
    {                                                                                                  \
        for (npy_intp i = 0; i < n; i++)                                                               \
            ((SCALAR *)block)[i] = (SCALAR)CONVERT(*(const TYPE *)(from + i * step));                  \
    }
#define FG_WRITER(TYPE, SCALAR, CONVERT)                                                               \
    static void fg_write_##TYPE(const void *block, npy_intp n, char *to, npy_intp step)                \
    {                                                                                                  \
        for (npy_intp i = 0; i < n; i++)                                                               \
            *(TYPE *)(to + i * step) = CONVERT(((const SCALAR *)block)[i]);                            \
    }
FG_WRITER(npy_half, float, fg_to_half)
FG_WRITER(npy_float, float, )
FG_WRITER(npy_double, double, )

/* Every real type of NumPy: C type, number, computed in, how it is read; its results' C type and number. */
#define FG_EACH_INPUT(X)                                                      \
    X(npy_bool, NPY_BOOL, double, , npy_double, NPY_DOUBLE)                   \
    X(npy_byte, NPY_BYTE, double, , npy_double, NPY_DOUBLE)                   \
    X(npy_ubyte, NPY_UBYTE, double, , npy_double, NPY_DOUBLE)                 \
    X(npy_short, NPY_SHORT, double, , npy_double, NPY_DOUBLE)                 \
    X(npy_ushort, NPY_USHORT, double, , npy_double, NPY_DOUBLE)               \
    X(npy_int, NPY_INT, double, , npy_double, NPY_DOUBLE)                     \
    X(npy_uint, NPY_UINT, double, , npy_double, NPY_DOUBLE)                   \
    X(npy_long, NPY_LONG, double, , npy_double, NPY_DOUBLE)                   \
    X(npy_ulong, NPY_ULONG, double, , npy_double, NPY_DOUBLE)                 \
    X(npy_longlong, NPY_LONGLONG, double, , npy_double, NPY_DOUBLE)           \
    X(npy_ulonglong, NPY_ULONGLONG, double, , npy_double, NPY_DOUBLE)         \
    X(npy_half, NPY_HALF, float, fg_from_half, npy_half, NPY_HALF)            \
    X(npy_float, NPY_FLOAT, float, , npy_float, NPY_FLOAT)                    \
    X(npy_double, NPY_DOUBLE, double, , npy_double, NPY_DOUBLE)               \
    X(npy_longdouble, NPY_LONGDOUBLE, double, , npy_double, NPY_DOUBLE)

#define FG_READ(TYPE, NUMBER, SCALAR, CONVERT, RESULT, RESULT_NUMBER) FG_READER(TYPE, SCALAR, CONVERT)
FG_EACH_INPUT(FG_READ)

typedef struct {
    fg_reader read;
    fg_writer write;
    size_t item; /* of the type that is computed in */
    char number, result;
} fg_type;
#define FG_TYPE_OF(TYPE, NUMBER, SCALAR, CONVERT, RESULT, RESULT_NUMBER) \
    {fg_read_##TYPE, fg_write_##RESULT, sizeof(SCALAR), NUMBER, RESULT_NUMBER},
static const fg_type fg_types[] = {FG_EACH_INPUT(FG_TYPE_OF)};
enum { FG_INPUTS = sizeof fg_types / sizeof *fg_types };

/* What a loop gets as its data: what to call with numbers of which type, and the parameter if it is no operand. */
typedef struct {
    fg_one one;
    fg_two two;
    const fg_type *type;
    double parameter;
    int with_parameter;
} fg_bound;

/* The parameter of the numbers `offset` bytes further on in its operand, if it is one. */
static double fg_parameter(const fg_bound *bound, char **args, npy_intp offset)
{
    const char *const operand = args[1] + offset;
    if (!bound->with_parameter)
        return bound->parameter;
    return bound->type->item == sizeof(float) ? (double)*(const float *)operand : *(const double *)operand;
}

/* Numbers of any type and stride, through blocks on the stack: as fg_ufunc_loop. */
static void fg_in_blocks(char **args, npy_intp n, const npy_intp *steps, const fg_bound *bound)
{
    const fg_type *const type = bound->type;
    const int at = 1 + bound->with_parameter;
    const npy_intp param_step = bound->with_parameter ? steps[1] : 0, block = param_step ? 1 : FG_BLOCK;
    double x[FG_BLOCK], y[FG_BLOCK], d[FG_BLOCK];
    for (npy_intp start = 0, count; start < n; start += count) {
        const double p = fg_parameter(bound, args, start * param_step);
        count = n - start < block ? n - start : block;
        type->read(args[0] + start * steps[0], steps[0], count, x);
        if (bound->two)
            bound->two((size_t)count, x, p, y, d);
        else
            bound->one((size_t)count, x, p, y);
        type->write(y, count, args[at] + start * steps[at], steps[at]);
        if (bound->two)
            type->write(d, count, args[at + 1] + start * steps[at + 1], steps[at + 1]);
    }
}

/* The loop of every ufunc: z, the parameter if it is an operand, y and, with two outputs, d. */
static void fg_ufunc_loop(char **args, const npy_intp *dims, const npy_intp *steps, void *data)
{
    const fg_bound *const bound = (const fg_bound *)data;
    const fg_type *const type = bound->type;
    const npy_intp n = dims[0], item = (npy_intp)type->item;
    const int at = 1 + bound->with_parameter, two = bound->two != NULL;
    const int direct = type->number == type->result && type->result != NPY_HALF && steps[0] == item && steps[at] == item
                    && (!two || steps[at + 1] == item) && !(bound->with_parameter && steps[1]);
    if (!n) /* there may be no parameter to read */
        return;
    if (!direct)
        fg_in_blocks(args, n, steps, bound);
    else if (two)
        bound->two((size_t)n, args[0], fg_parameter(bound, args, 0), args[at], args[at + 1]);
    else
        bound->one((size_t)n, args[0], fg_parameter(bound, args, 0), args[at]);
    fg_clear_flags();
}

/* What one ufunc keeps for as long as the process lives. */
typedef struct {
    PyUFuncGenericFunction loops[FG_INPUTS];
    fg_bound bound[FG_INPUTS];
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
    for (int i = 0; i < FG_INPUTS; i++) {
        const fg_type *const type = &fg_types[i];
        const fg_kernels *const kernels = fg_of(set, type->item);
        const fg_one one[] = {kernels->value[activation], kernels->derivative[activation], NULL, kernels->exponential};
        const fg_bound bound = {one[kind], two ? kernels->both[activation] : NULL, type, parameter, with_parameter};
        char *const numbers = tables->types + i * operands;
        tables->bound[i] = bound;
        tables->data[i] = &tables->bound[i];
        tables->loops[i] = fg_ufunc_loop;
        memset(numbers, type->result, (size_t)operands);
        numbers[0] = type->number;
        if (with_parameter)
            numbers[1] = type->item == sizeof(float) ? NPY_FLOAT : NPY_DOUBLE;
    }
    return PyUFunc_FromFuncAndData(tables->loops, tables->data, tables->types, FG_INPUTS, 1 + with_parameter, 1 + two,
                                   PyUFunc_None, name, doc, 0);
}
#endif
