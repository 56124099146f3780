/* x86-64 baseline: 4 floats or 2 doubles, no fused multiply-add in hardware. */
#define FG_WIDTH (128 / FG_BITS)
#define FG_WIDEST 2 /* vectors beside each other in a block of GEMM */
#define FG_BESIDE 2 /* vectors beside each other in a loop over arrays */
#if FG_BITS == 32
#define FG_REAL __m128
#define FG_SET1(c) _mm_set1_ps((float)(c))
#define FG_SQRT(a) _mm_sqrt_ps(a)
#define FG_LOAD(p) _mm_loadu_ps(p)
#define FG_STORE(p, a) _mm_storeu_ps(p, a)
#define FG_LT(a, b) _mm_cmplt_ps(a, b)
#define FG_GT(a, b) _mm_cmpgt_ps(a, b)
#define FG_LE(a, b) _mm_cmple_ps(a, b)
#define FG_WHERE(m, a, b) fg_where_sse2_f32(m, a, b)
#define FG_FMA(a, b, c) fg_fma_sse2_f32(a, b, c)
#define FG_NFABS(a) _mm_or_ps(_mm_set1_ps(-0.0f), a)
#define FG_MINIMUM(a, b) _mm_min_ps(a, b)
#define FG_MAXIMUM(a, b) _mm_max_ps(a, b)
#define FG_FABS(a) _mm_andnot_ps(_mm_set1_ps(-0.0f), a)
#define FG_COPYSIGN(a, b) fg_where_sse2_f32(_mm_set1_ps(-0.0f), b, a)
#define FG_LDEXP(a, n) fg_ldexp_sse2_f32(a, n)
#define FG_SHIFT_EXPONENT(a, shifted, shifter, lowered) \
    ((a) * _mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(shifted), 23)) * (lowered))
#else
#define FG_REAL __m128d
#define FG_SET1(c) _mm_set1_pd(c)
#define FG_SQRT(a) _mm_sqrt_pd(a)
#define FG_LOAD(p) _mm_loadu_pd(p)
#define FG_STORE(p, a) _mm_storeu_pd(p, a)
#define FG_LT(a, b) _mm_cmplt_pd(a, b)
#define FG_GT(a, b) _mm_cmpgt_pd(a, b)
#define FG_LE(a, b) _mm_cmple_pd(a, b)
#define FG_WHERE(m, a, b) fg_where_sse2_f64(m, a, b)
#define FG_FMA(a, b, c) fg_fma_sse2_f64(a, b, c)
#define FG_NFABS(a) _mm_or_pd(_mm_set1_pd(-0.0), a)
#define FG_MINIMUM(a, b) _mm_min_pd(a, b)
#define FG_MAXIMUM(a, b) _mm_max_pd(a, b)
#define FG_FABS(a) _mm_andnot_pd(_mm_set1_pd(-0.0), a)
#define FG_COPYSIGN(a, b) fg_where_sse2_f64(_mm_set1_pd(-0.0), b, a)
#define FG_LDEXP(a, n) fg_ldexp_sse2_f64(a, n)
#define FG_SHIFT_EXPONENT(a, shifted, shifter, lowered) \
    ((a) * _mm_castsi128_pd(_mm_slli_epi64(_mm_castpd_si128(shifted), 52)) * (lowered))
#endif
#define FG_MAD(a, b, c) ((a) * (b) + (c))
#define FG_NFMA(a, b, c) FG_FMA(-(a), b, c)
#define FG_NMAD(a, b, c) ((c) - (a) * (b))

#ifndef FG_SIMD_SSE2
#define FG_SIMD_SSE2
FG_INLINE __m128 fg_where_sse2_f32(__m128 mask, __m128 a, __m128 b)
{
    return _mm_or_ps(_mm_and_ps(mask, a), _mm_andnot_ps(mask, b));
}

FG_INLINE __m128d fg_where_sse2_f64(__m128d mask, __m128d a, __m128d b)
{
    return _mm_or_pd(_mm_and_pd(mask, a), _mm_andnot_pd(mask, b));
}

/* a b + c: the product of two floats is exact in double. */
FG_INLINE __m128 fg_fma_sse2_f32(__m128 a, __m128 b, __m128 c)
{
    const __m128d low = _mm_cvtps_pd(a) * _mm_cvtps_pd(b) + _mm_cvtps_pd(c);
    const __m128d high = _mm_cvtps_pd(_mm_movehl_ps(a, a)) * _mm_cvtps_pd(_mm_movehl_ps(b, b))
                       + _mm_cvtps_pd(_mm_movehl_ps(c, c));
    return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}

/* a b + c by Dekker's product and Knuth's sum: exact where the sum cancels, which is what the formulas need,
   and within 1/2 ULP and a little elsewhere; |a|, |b| below 2^995. */
FG_INLINE __m128d fg_fma_sse2_f64(__m128d a, __m128d b, __m128d c)
{
    const __m128d splitter = _mm_set1_pd(134217729.0); /* 2^27 + 1 */
    const __m128d ta = splitter * a, tb = splitter * b;
    const __m128d a1 = ta - (ta - a), b1 = tb - (tb - b), a2 = a - a1, b2 = b - b1;
    const __m128d product = a * b;
    const __m128d product_low = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
    const __m128d sum = product + c, part = sum - product;
    const __m128d sum_low = (product - (sum - part)) + (c - part);
    return sum + (sum_low + product_low);
}

/* a 2^n for integral n in [-252, 127], in two steps so that only the last one can round. */
FG_INLINE __m128 fg_ldexp_sse2_f32(__m128 a, __m128 n)
{
    const __m128i whole = _mm_cvtps_epi32(n), half = _mm_srai_epi32(whole, 1), bias = _mm_set1_epi32(127);
    const __m128i first = _mm_slli_epi32(_mm_add_epi32(half, bias), 23);
    const __m128i second = _mm_slli_epi32(_mm_add_epi32(_mm_sub_epi32(whole, half), bias), 23);
    return a * _mm_castsi128_ps(first) * _mm_castsi128_ps(second);
}

/* The same for n in [-2044, 1023]; the four-byte integers are spread to the high halves of the doubles. */
FG_INLINE __m128d fg_ldexp_sse2_f64(__m128d a, __m128d n)
{
    const __m128i whole = _mm_cvtpd_epi32(n), half = _mm_srai_epi32(whole, 1), bias = _mm_set1_epi32(1023);
    const __m128i first = _mm_slli_epi32(_mm_add_epi32(half, bias), 20);
    const __m128i second = _mm_slli_epi32(_mm_add_epi32(_mm_sub_epi32(whole, half), bias), 20);
    const __m128i zero = _mm_setzero_si128();
    return a * _mm_castsi128_pd(_mm_unpacklo_epi32(zero, first)) * _mm_castsi128_pd(_mm_unpacklo_epi32(zero, second));
}
#endif
