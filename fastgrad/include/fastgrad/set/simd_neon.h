/* AArch64 Advanced SIMD: 4 floats or 2 doubles. MIN and MAX of this machine keep any NaN; comparisons are quiet. */
#define FG_WIDTH (128 / FG_BITS)
#define FG_WIDEST 4 /* vectors beside each other in a block of GEMM */
#define FG_BESIDE 2 /* vectors beside each other in a loop over arrays */
#if FG_BITS == 32
#define FG_REAL float32x4_t
#define FG_SET1(c) vdupq_n_f32((float)(c))
#define FG_SQRT(a) vsqrtq_f32(a)
#define FG_LOAD(p) vld1q_f32(p)
#define FG_STORE(p, a) vst1q_f32(p, a)
#define FG_LT(a, b) vcltq_f32(a, b)
#define FG_GT(a, b) vcgtq_f32(a, b)
#define FG_LE(a, b) vcleq_f32(a, b)
#define FG_WHERE(m, a, b) vbslq_f32(m, a, b)
#define FG_FMA(a, b, c) vfmaq_f32(c, a, b)
#define FG_NFMA(a, b, c) vfmsq_f32(c, a, b)
#define FG_NFABS(a) vnegq_f32(vabsq_f32(a))
#define FG_MINIMUM(a, b) vminq_f32(a, b)
#define FG_MAXIMUM(a, b) vmaxq_f32(a, b)
#define FG_FABS(a) vabsq_f32(a)
#define FG_COPYSIGN(a, b) vbslq_f32(vdupq_n_u32(0x80000000u), b, a)
#define FG_LDEXP(a, n) fg_ldexp_neon_f32(a, n)
#define FG_SHIFT_EXPONENT(a, shifted, shifter, lowered) \
    ((a) * vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23)) * (lowered))
#else
#define FG_REAL float64x2_t
#define FG_SET1(c) vdupq_n_f64(c)
#define FG_SQRT(a) vsqrtq_f64(a)
#define FG_LOAD(p) vld1q_f64(p)
#define FG_STORE(p, a) vst1q_f64(p, a)
#define FG_LT(a, b) vcltq_f64(a, b)
#define FG_GT(a, b) vcgtq_f64(a, b)
#define FG_LE(a, b) vcleq_f64(a, b)
#define FG_WHERE(m, a, b) vbslq_f64(m, a, b)
#define FG_FMA(a, b, c) vfmaq_f64(c, a, b)
#define FG_NFMA(a, b, c) vfmsq_f64(c, a, b)
#define FG_NFABS(a) vnegq_f64(vabsq_f64(a))
#define FG_MINIMUM(a, b) vminq_f64(a, b)
#define FG_MAXIMUM(a, b) vmaxq_f64(a, b)
#define FG_FABS(a) vabsq_f64(a)
#define FG_COPYSIGN(a, b) vbslq_f64(vdupq_n_u64(0x8000000000000000ull), b, a)
#define FG_LDEXP(a, n) fg_ldexp_neon_f64(a, n)
#define FG_SHIFT_EXPONENT(a, shifted, shifter, lowered) \
    ((a) * vreinterpretq_f64_s64(vshlq_n_s64(vreinterpretq_s64_f64(shifted), 52)) * (lowered))
#endif
#define FG_MAD(a, b, c) FG_FMA(a, b, c)
#define FG_NMAD(a, b, c) FG_NFMA(a, b, c)

#ifndef FG_SIMD_NEON
#define FG_SIMD_NEON
/* a 2^n for integral n in [-252, 127], in two steps so that only the last one can round. */
FG_INLINE float32x4_t fg_ldexp_neon_f32(float32x4_t a, float32x4_t n)
{
    const int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1), bias = vdupq_n_s32(127);
    const int32x4_t first = vshlq_n_s32(vaddq_s32(half, bias), 23);
    const int32x4_t second = vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23);
    return vmulq_f32(vmulq_f32(a, vreinterpretq_f32_s32(first)), vreinterpretq_f32_s32(second));
}

/* The same for n in [-2044, 1023]. */
FG_INLINE float64x2_t fg_ldexp_neon_f64(float64x2_t a, float64x2_t n)
{
    const int64x2_t whole = vcvtq_s64_f64(n), half = vshrq_n_s64(whole, 1), bias = vdupq_n_s64(1023);
    const int64x2_t first = vshlq_n_s64(vaddq_s64(half, bias), 52);
    const int64x2_t second = vshlq_n_s64(vaddq_s64(vsubq_s64(whole, half), bias), 52);
    return vmulq_f64(vmulq_f64(a, vreinterpretq_f64_s64(first)), vreinterpretq_f64_s64(second));
}
#endif
