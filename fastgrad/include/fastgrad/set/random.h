/* Random weights, for one instruction set and one type: number i of a stream depends on (key, stream, i) alone. */

/* Design: - Threefry-4x32 with 13 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): additions,
             rotations and exclusive ors, which every instruction set has in vectors. It passes BigCrush from 12 rounds on;
             the usual 20 would take half the time of a normal number more.
           - FG_DRAWN numbers are drawn at a time, from FG_LANES blocks of the generator: number 64 w + j of them comes
             from word w of block j. A uniform number takes one word, two normals take a pair (words 0 and 1, 2 and 3).
           - Plain loops over short arrays, which compilers turn into vectors, and no fused multiply-add: the bits are
             the same everywhere. float and double draw the same number, but for its rounding.
           - Normals by Box and Muller 1958: r = sqrt(-2 ln u), u a 31-bit fraction in (0, 1), so |x| <= 6.66. */
#ifndef FG_LANES
#define FG_LANES (FG_DRAWN / 4)
#define FG_ROTATE(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define FG_MIX(a, b, n) a += b, b = FG_ROTATE(b, n) ^ a;
/* Four rounds and the key's injection after them. */
#define FG_ROUNDS(r0, r1, r2, r3, r4, r5, r6, r7, i)  \
    FG_MIX(a, b, r0) FG_MIX(c, d, r1)                 \
    FG_MIX(a, d, r2) FG_MIX(c, b, r3)                 \
    FG_MIX(a, b, r4) FG_MIX(c, d, r5)                 \
    FG_MIX(a, d, r6) FG_MIX(c, b, r7)                 \
    a += k[(i) % 5], b += k[((i) + 1) % 5], c += k[((i) + 2) % 5], d += k[((i) + 3) % 5] + (i);
#endif

FG_SCHEDULED

#if FG_BITS == 32
/* The four words of each of FG_LANES blocks from `block` on, all first words first. Stream and attempt are further parts
   of the counter. */
static void FG_PASTE(threefry, u32, FG_SET)(const uint32_t key[4], uint32_t stream, uint32_t attempt,
                                            uint64_t block, uint32_t *words)
{
    const uint32_t k[5] = {key[0], key[1], key[2], key[3], 0x1bd11bda ^ key[0] ^ key[1] ^ key[2] ^ key[3]};
    const uint32_t low = (uint32_t)block, high = (uint32_t)(block >> 32); /* block is a multiple of FG_LANES */
    for (uint32_t j = 0; j < FG_LANES; j++) {
        uint32_t a = low + j + k[0], b = high + k[1], c = attempt + k[2], d = stream + k[3];
        FG_ROUNDS(10, 26, 11, 21, 13, 27, 23, 5, 1)
        FG_ROUNDS(6, 20, 17, 11, 25, 10, 18, 20, 2)
        FG_ROUNDS(10, 26, 11, 21, 13, 27, 23, 5, 3)
        FG_MIX(a, b, 6) FG_MIX(c, d, 20)
        words[j] = a, words[j + FG_LANES] = b, words[j + 2 * FG_LANES] = c, words[j + 3 * FG_LANES] = d;
    }
}
#endif

/* -2 ln u of u = (w / 2 + 1/2) 2^-31: u = m 2^e with m in [sqrt(1/2), sqrt 2), and ln m from a polynomial. */
FG_INLINE FG_SCALAR FG(minus_two_log)(uint32_t w)
{
    const int32_t k = (int32_t)(w >> 1);
#if FG_BITS == 32
    const float u = ((float)k + 0.5f) * 4.656613e-10f;                   /* 2^-31 */
    const float rest = ((float)(INT32_MAX - k) + 0.5f) * 4.656613e-10f; /* 1 - u, exactly */
    uint32_t bits;
    float m;
    memcpy(&bits, &u, sizeof bits);
    bits += 0x3f800000 - 0x3f3504f3;
    const int32_t e = (int32_t)(bits >> 23) - 127;
    bits = (bits & 0x7fffff) + 0x3f3504f3;
    memcpy(&m, &bits, sizeof m);
    const float f = e == 0 ? -rest : m - 1.0f, f2 = f * f;
    float p = -0.076256804f;
    p = p * f + 0.12757948f;
    p = p * f - 0.13161373f;
    p = p * f + 0.14202157f;
    p = p * f - 0.16623297f;
    p = p * f + 0.20001224f;
    p = p * f - 0.25000823f;
    p = p * f + 0.3333333f;
    return -2.0f * ((float)e * 0.6931472f + (f - f2 * (0.5f - f * p)));
#else
    const double u = ((double)k + 0.5) * 4.656612873077393e-10;
    uint64_t bits;
    double m;
    memcpy(&bits, &u, sizeof bits);
    bits += 0x3ff0000000000000 - 0x3fe6a09e667f3bcd;
    const int32_t e = (int32_t)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffff) + 0x3fe6a09e667f3bcd;
    memcpy(&m, &bits, sizeof m);
    const double f = m - 1.0, s = f / (2.0 + f), t = s * s;
    double p = 0.14795077732821274;
    p = p * t + 0.15314138544859895;
    p = p * t + 0.18183560865560464;
    p = p * t + 0.2222219863977465;
    p = p * t + 0.2857142874174579;
    p = p * t + 0.39999999999417474;
    p = p * t + 0.6666666666666734;
    return -2.0 * ((double)e * 0.6931471805599453 + (2.0 * s + s * t * p));
#endif
}

/* sin and cos of r in [-pi / 4, pi / 4]. */
FG_INLINE void FG(sin_cos)(FG_SCALAR r, FG_SCALAR *sine, FG_SCALAR *cosine)
{
    const FG_SCALAR t = r * r;
#if FG_BITS == 32
    const float s = (-0.00019518292f * t + 0.008332189f) * t - 0.16666655f;
    const float c = (2.4432567e-05f * t - 0.0013887311f) * t + 0.041666646f;
#else
    double s = 1.5895950581259466e-10, c = -1.1358770477117685e-11;
    s = s * t - 2.505074238546424e-08;
    c = c * t + 2.08757057930561e-09;
    s = s * t + 2.755731358231358e-06;
    c = c * t - 2.755731421975882e-07;
    s = s * t - 0.00019841269829457667;
    c = c * t + 2.480158728901014e-05;
    s = s * t + 0.008333333333321917;
    c = c * t - 0.001388888888887335;
    s = s * t - 0.1666666666666663;
    c = c * t + 0.041666666666666595;
#endif
    *sine = r + r * t * s;
    *cosine = (FG_SCALAR)1 - (t * (FG_SCALAR)0.5 - t * t * c);
}

/* Two normals from each pair of words: r cos v, r sin v, with v the second word as a part of the circle. */
static void FG(normals)(const uint32_t *FG_RESTRICT w, const uint32_t *FG_RESTRICT v, FG_SCALAR scale,
                        FG_SCALAR *FG_RESTRICT x, FG_SCALAR *FG_RESTRICT y)
{
    FG_UNROLL /* vectors of lanes beside each other: a normal in .73 -> .66 ns (Zen 4, AVX-512) */
    for (int j = 0; j < FG_LANES; j++) {
        const uint32_t quarter = (v[j] + 0x20000000u) >> 30;
        const int32_t rest = (int32_t)(v[j] - (quarter << 30));
        const FG_SCALAR r = scale * (FG_SCALAR)sqrt(FG(minus_two_log)(w[j]));
        FG_SCALAR s, c;
        FG(sin_cos)((FG_SCALAR)rest * (FG_SCALAR)1.4629180792671596e-09, &s, &c);
        const FG_SCALAR along = quarter & 1 ? s : c, across = quarter & 1 ? c : s;
        x[j] = r * (quarter == 1 || quarter == 2 ? -along : along);
        y[j] = r * (quarter >= 2 ? -across : across);
    }
}

/* FG_DRAWN numbers times `scale` from number `first` on, which is a multiple of FG_DRAWN. */
static void FG(draw)(const uint32_t *key, uint32_t stream, uint32_t attempt, int distribution, FG_SCALAR scale,
                     uint64_t first, FG_SCALAR *out)
{
    uint32_t words[FG_DRAWN];
    FG_PASTE(threefry, u32, FG_SET)(key, stream, attempt, first / 4, words);
    if (distribution == FASTGRAD_UNIFORM)
        for (int i = 0; i < FG_DRAWN; i++)
            out[i] = ((FG_SCALAR)(int32_t)words[i] + (FG_SCALAR)0.5) * (FG_SCALAR)4.656612873077393e-10 * scale;
    else
        for (int pair = 0; pair < FG_DRAWN; pair += 2 * FG_LANES)
            FG(normals)(words + pair, words + pair + FG_LANES, scale, out + pair, out + pair + FG_LANES);
}

/* The same for a normal cut off at +-2: what lies beyond is drawn again. */
static void FG(draw_truncated)(const uint32_t *key, uint32_t stream, FG_SCALAR scale, uint64_t first, FG_SCALAR *out)
{
    FG_SCALAR again[FG_DRAWN];
    FG(draw)(key, stream, 0, FASTGRAD_NORMAL, 1, first, out);
    for (uint32_t attempt = 1, beyond = 1; beyond; attempt++) {
        beyond = 0;
        FG(draw)(key, stream, attempt, FASTGRAD_NORMAL, 1, first, again);
        for (int j = 0; j < FG_DRAWN; j++) {
            out[j] = fabs(out[j]) <= 2 ? out[j] : again[j];
            beyond += !(fabs(out[j]) <= 2);
        }
    }
    for (int j = 0; j < FG_DRAWN; j++)
        out[j] *= scale;
}

/* out[0 ... count) = scale times the numbers of a stream from `first` on, a multiple of FG_DRAWN: uniform on (-1, 1),
   normal, or normal cut off at +-2. */
static void FG(fill)(const uint32_t *key, uint32_t stream, int distribution, double scale, uint64_t first, size_t count,
                     void *to_out)
{
    FG_SCALAR *const out = (FG_SCALAR *)to_out;
    FG_SCALAR drawn[FG_DRAWN];
    for (size_t i = 0; i < count; i += FG_DRAWN) {
        const int whole = count - i >= FG_DRAWN;
        FG_SCALAR *const to = whole ? out + i : drawn;
        if (distribution == FASTGRAD_TRUNCATED)
            FG(draw_truncated)(key, stream, (FG_SCALAR)scale, first + i, to);
        else
            FG(draw)(key, stream, 0, distribution, (FG_SCALAR)scale, first + i, to);
        if (!whole)
            memcpy(out + i, drawn, (count - i) * sizeof(FG_SCALAR));
    }
}

FG_AS_BEFORE
