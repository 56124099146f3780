/* AVX2 and FMA: 8 floats or 4 doubles. Comparisons are the quiet ones. */
#define FG_WIDTH (256 / FG_BITS)
#define FG_WIDEST 2 /* vectors beside each other in a block of GEMM */
#define FG_BESIDE 4
#if FG_BITS == 32
#define FG_REAL __m256
#define FG_SET1(c) _mm256_set1_ps((float)(c))
#define FG_SQRT(a) _mm256_sqrt_ps(a)
#define FG_LOAD(p) _mm256_loadu_ps(p)
#define FG_STORE(p, a) _mm256_storeu_ps(p, a)
#define FG_LT(a, b) _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define FG_GT(a, b) _mm256_cmp_ps(a, b, _CMP_GT_OQ)
#define FG_LE(a, b) _mm256_cmp_ps(a, b, _CMP_LE_OQ)
#define FG_WHERE(m, a, b) _mm256_blendv_ps(b, a, m)
#define FG_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define FG_NFMA(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define FG_MINIMUM(a, b) _mm256_min_ps(a, b)
#define FG_MAXIMUM(a, b) _mm256_max_ps(a, b)
#define FG_FABS(a) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define FG_NFABS(a) _mm256_or_ps(_mm256_set1_ps(-0.0f), a)
#define FG_COPYSIGN(a, b) _mm256_or_ps(FG_FABS(a), _mm256_and_ps(_mm256_set1_ps(-0.0f), b))
#define FG_LDEXP(a, n) fg_ldexp_avx2_f32(a, n)
#define FG_SHIFT_EXPONENT(a, shifted, shifter, lowered) \
    ((a) * _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23)) * (lowered))
#else
#define FG_REAL __m256d
#define FG_SET1(c) _mm256_set1_pd(c)
#define FG_SQRT(a) _mm256_sqrt_pd(a)
#define FG_LOAD(p) _mm256_loadu_pd(p)
#define FG_STORE(p, a) _mm256_storeu_pd(p, a)
#define FG_LT(a, b) _mm256_cmp_pd(a, b, _CMP_LT_OQ)
#define FG_GT(a, b) _mm256_cmp_pd(a, b, _CMP_GT_OQ)
#define FG_LE(a, b) _mm256_cmp_pd(a, b, _CMP_LE_OQ)
#define FG_WHERE(m, a, b) _mm256_blendv_pd(b, a, m)
#define FG_FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define FG_NFMA(a, b, c) _mm256_fnmadd_pd(a, b, c)
#define FG_MINIMUM(a, b) _mm256_min_pd(a, b)
#define FG_MAXIMUM(a, b) _mm256_max_pd(a, b)
#define FG_FABS(a) _mm256_andnot_pd(_mm256_set1_pd(-0.0), a)
#define FG_NFABS(a) _mm256_or_pd(_mm256_set1_pd(-0.0), a)
#define FG_COPYSIGN(a, b) _mm256_or_pd(FG_FABS(a), _mm256_and_pd(_mm256_set1_pd(-0.0), b))
#define FG_LDEXP(a, n) fg_ldexp_avx2_f64(a, n)
#define FG_SHIFT_EXPONENT(a, shifted, shifter, lowered) \
    ((a) * _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(shifted), 52)) * (lowered))
#endif
#define FG_MAD(a, b, c) FG_FMA(a, b, c)
#define FG_NMAD(a, b, c) FG_NFMA(a, b, c)

#ifndef FG_SIMD_AVX2
#define FG_SIMD_AVX2
/* a 2^n for integral n in [-252, 127], in two steps so that only the last one can round. */
FG_INLINE __m256 fg_ldexp_avx2_f32(__m256 a, __m256 n)
{
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
    const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i second = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
    return a * _mm256_castsi256_ps(first) * _mm256_castsi256_ps(second);
}

/* The same for n in [-2044, 1023]. */
FG_INLINE __m256d fg_ldexp_avx2_f64(__m256d a, __m256d n)
{
    const __m128i whole = _mm256_cvtpd_epi32(n), half = _mm_srai_epi32(whole, 1), bias = _mm_set1_epi32(1023);
    const __m256i first = _mm256_cvtepi32_epi64(_mm_add_epi32(half, bias));
    const __m256i second = _mm256_cvtepi32_epi64(_mm_add_epi32(_mm_sub_epi32(whole, half), bias));
    return a * _mm256_castsi256_pd(_mm256_slli_epi64(first, 52)) * _mm256_castsi256_pd(_mm256_slli_epi64(second, 52));
}
#endif
