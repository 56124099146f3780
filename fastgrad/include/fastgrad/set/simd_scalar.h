/* One number at a time, in plain C99: what a compiler or machine without the sets beside this file runs.
   fma() here is the C library's: exact everywhere, slow where the processor has none. */
#define FG_WIDTH 1
#define FG_WIDEST 2 /* vectors beside each other in a block of GEMM */
#define FG_BESIDE 1 /* vectors beside each other in a loop over arrays */
#if FG_BITS == 32
#define FG_REAL float
#define FG_FMA(a, b, c) fmaf(a, b, c)
#define FG_SHIFT_EXPONENT(a, shifted, shifter, lowered) ((a) * fg_power_scalar_f32(shifted) * (lowered))
#define FG_FABS(a) fabsf(a)
#define FG_SQRT(a) sqrtf(a)
#define FG_COPYSIGN(a, b) copysignf(a, b)
#define FG_LDEXP(a, n) fg_ldexp_scalar_f32(a, n)
#else
#define FG_REAL double
#define FG_FMA(a, b, c) fma(a, b, c)
#define FG_SHIFT_EXPONENT(a, shifted, shifter, lowered) ((a) * fg_power_scalar_f64(shifted) * (lowered))
#define FG_FABS(a) fabs(a)
#define FG_SQRT(a) sqrt(a)
#define FG_COPYSIGN(a, b) copysign(a, b)
#define FG_LDEXP(a, n) fg_ldexp_scalar_f64(a, n)
#endif
#define FG_SET1(c) ((FG_REAL)(c))
#define FG_LOAD(p) (*(p))
#define FG_STORE(p, a) (*(p) = (a))
#define FG_LT(a, b) ((a) < (b))
#define FG_GT(a, b) ((a) > (b))
#define FG_LE(a, b) ((a) <= (b))
#define FG_WHERE(m, a, b) ((m) ? (a) : (b))
#define FG_MAD(a, b, c) ((a) * (b) + (c))
#define FG_NFMA(a, b, c) FG_FMA(-(a), b, c)
#define FG_NMAD(a, b, c) ((c) - (a) * (b))
#define FG_NFABS(a) (-FG_FABS(a))
#define FG_MINIMUM(a, b) ((a) < (b) ? (a) : (b)) /* the second when either is NaN */
#define FG_MAXIMUM(a, b) ((a) > (b) ? (a) : (b))

#ifndef FG_LDEXP_SCALAR
#define FG_LDEXP_SCALAR
/* The number whose exponent's bits are the lowest bits of this one. */
FG_INLINE float fg_power_scalar_f32(float shifted)
{
    union { uint32_t bits; float real; } power;
    power.real = shifted;
    power.bits <<= 23;
    return power.real;
}

FG_INLINE double fg_power_scalar_f64(double shifted)
{
    union { uint64_t bits; double real; } power;
    power.real = shifted;
    power.bits <<= 52;
    return power.real;
}

/* a 2^n for integral n in [-252, 127] or [-2044, 1023], in two steps so that only the last one can round. */
FG_INLINE float fg_ldexp_scalar_f32(float a, float n)
{
    const int32_t whole = n == n ? (int32_t)n : 0, half = whole >> 1; /* NaN times any power of two is NaN */
    union { uint32_t bits; float real; } first, second;
    first.bits = (uint32_t)(half + 127) << 23;
    second.bits = (uint32_t)(whole - half + 127) << 23;
    return a * first.real * second.real;
}

FG_INLINE double fg_ldexp_scalar_f64(double a, double n)
{
    const int64_t whole = n == n ? (int64_t)n : 0, half = whole >> 1;
    union { uint64_t bits; double real; } first, second;
    first.bits = (uint64_t)(half + 1023) << 52;
    second.bits = (uint64_t)(whole - half + 1023) << 52;
    return a * first.real * second.real;
}
#endif
