/* A block of four by four numbers, transposed: `to` (4 rows, wide apart) from `from` (4 rows, ld apart). */
#ifndef FASTGRAD_TURN_H
#define FASTGRAD_TURN_H

/* Design: 128 bits do for every instruction set of a processor: such a block is 4 loads, 8 shuffles and 4 stores. */

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#include <emmintrin.h>

FG_INLINE void fg_turn_f32_any(const float *from, size_t ld, float *to, size_t wide)
{
    __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + ld);
    __m128 c = _mm_loadu_ps(from + 2 * ld), d = _mm_loadu_ps(from + 3 * ld);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to, a);
    _mm_storeu_ps(to + wide, b);
    _mm_storeu_ps(to + 2 * wide, c);
    _mm_storeu_ps(to + 3 * wide, d);
}

FG_INLINE void fg_turn_f64_any(const double *from, size_t ld, double *to, size_t wide)
{
    for (int i = 0; i < 4; i += 2, from += 2 * ld, to += 2)
        for (int j = 0; j < 4; j += 2) {
            const __m128d a = _mm_loadu_pd(from + j), b = _mm_loadu_pd(from + ld + j);
            _mm_storeu_pd(to + (size_t)j * wide, _mm_unpacklo_pd(a, b));
            _mm_storeu_pd(to + (size_t)(j + 1) * wide, _mm_unpackhi_pd(a, b));
        }
}
#else
FG_INLINE void fg_turn_f32_any(const float *from, size_t ld, float *to, size_t wide)
{
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            to[j * wide + i] = from[i * ld + j];
}

FG_INLINE void fg_turn_f64_any(const double *from, size_t ld, double *to, size_t wide)
{
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            to[j * wide + i] = from[i * ld + j];
}
#endif

#endif
