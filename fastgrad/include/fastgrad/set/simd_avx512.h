/* AVX-512 (F, DQ): 16 floats or 8 doubles; comparisons give bit masks and scaling by 2^n is one instruction.
   maskz with a full mask: gcc's plain forms carry an undefined operand, and then it does not see that two of them
   are equal (value and derivative together took 2.3 times as long). */
#define FG_WIDTH (512 / FG_BITS)
#define FG_WIDEST 4 /* vectors beside each other in a block of GEMM */
#define FG_BESIDE 4
#if FG_BITS == 32
#define FG_REAL __m512
#define FG_SET1(c) _mm512_set1_ps((float)(c))
#define FG_SQRT(a) _mm512_sqrt_ps(a)
#define FG_LOAD(p) _mm512_loadu_ps(p)
#define FG_STORE(p, a) _mm512_storeu_ps(p, a)
#define FG_LOAD_PART(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), p)
#define FG_STORE_PART(p, n, a) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1), a)
#define FG_LT(a, b) _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define FG_GT(a, b) _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define FG_LE(a, b) _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ)
#define FG_WHERE(m, a, b) _mm512_mask_blend_ps(m, b, a)
#define FG_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define FG_NFMA(a, b, c) _mm512_fnmadd_ps(a, b, c)
#define FG_MINIMUM(a, b) _mm512_maskz_min_ps(0xffff, a, b)
#define FG_MAXIMUM(a, b) _mm512_maskz_max_ps(0xffff, a, b)
#define FG_FABS(a) _mm512_abs_ps(a)
#define FG_NFABS(a) _mm512_or_ps(_mm512_set1_ps(-0.0f), a)
#define FG_COPYSIGN(a, b) fg_copysign_avx512_f32(a, b)
#define FG_LDEXP(a, n) _mm512_maskz_scalef_ps(0xffff, a, n)
#else
#define FG_REAL __m512d
#define FG_SET1(c) _mm512_set1_pd(c)
#define FG_SQRT(a) _mm512_sqrt_pd(a)
#define FG_LOAD(p) _mm512_loadu_pd(p)
#define FG_STORE(p, a) _mm512_storeu_pd(p, a)
#define FG_LOAD_PART(p, n) _mm512_maskz_loadu_pd((__mmask8)((1u << (n)) - 1), p)
#define FG_STORE_PART(p, n, a) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (n)) - 1), a)
#define FG_LT(a, b) _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ)
#define FG_GT(a, b) _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ)
#define FG_LE(a, b) _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ)
#define FG_WHERE(m, a, b) _mm512_mask_blend_pd(m, b, a)
#define FG_FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define FG_NFMA(a, b, c) _mm512_fnmadd_pd(a, b, c)
#define FG_MINIMUM(a, b) _mm512_maskz_min_pd(0xff, a, b)
#define FG_MAXIMUM(a, b) _mm512_maskz_max_pd(0xff, a, b)
#define FG_FABS(a) _mm512_abs_pd(a)
#define FG_NFABS(a) _mm512_or_pd(_mm512_set1_pd(-0.0), a)
#define FG_COPYSIGN(a, b) fg_copysign_avx512_f64(a, b)
#define FG_LDEXP(a, n) _mm512_maskz_scalef_pd(0xff, a, n)
#endif
#define FG_MAD(a, b, c) FG_FMA(a, b, c)
#define FG_NMAD(a, b, c) FG_NFMA(a, b, c)
#define FG_SHIFT_EXPONENT(a, shifted, shifter, lowered) FG_LDEXP(a, (shifted) - (shifter))

#ifndef FG_SIMD_AVX512
#define FG_SIMD_AVX512
/* Where the mask is set b, elsewhere a: 0xca is "first ? second : third". */
FG_INLINE __m512 fg_copysign_avx512_f32(__m512 a, __m512 b)
{
    const __m512i sign = _mm512_set1_epi32(INT32_MIN);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(sign, _mm512_castps_si512(b), _mm512_castps_si512(a), 0xca));
}

FG_INLINE __m512d fg_copysign_avx512_f64(__m512d a, __m512d b)
{
    const __m512i sign = _mm512_set1_epi64(INT64_MIN);
    return _mm512_castsi512_pd(_mm512_ternarylogic_epi64(sign, _mm512_castpd_si512(b), _mm512_castpd_si512(a), 0xca));
}
#endif
