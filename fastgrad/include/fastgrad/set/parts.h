/* Parts of vectors, for the ends of arrays. */

/* The first few lanes of a vector, the others 0. */
FG_INLINE FG_REAL FG(load_part)(const FG_SCALAR *from, size_t part)
{
#ifdef FG_LOAD_PART
    return FG_LOAD_PART(from, part);
#else
    FG_SCALAR rest[FG_WIDTH] = {0};
    memcpy(rest, from, part * sizeof(FG_SCALAR));
    return FG_LOAD(rest);
#endif
}

FG_INLINE void FG(store_part)(FG_SCALAR *to, size_t part, FG_REAL a)
{
#ifdef FG_STORE_PART
    FG_STORE_PART(to, part, a);
#else
    FG_SCALAR rest[FG_WIDTH];
    FG_STORE(rest, a);
    memcpy(to, rest, part * sizeof(FG_SCALAR));
#endif
}
