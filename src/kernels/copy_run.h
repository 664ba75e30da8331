/* Template: copying and clearing runs of elements that are mostly short. T, VLEN and TWN are defined by the file that includes this. */

static inline void TWN(copy_run)(T *to, const T *from, int64_t n) {
    if (n >= 128) {
        memcpy(to, from, (size_t)n * sizeof(T));
        return;
    }
    int64_t i = 0;
    for (; i + VLEN <= n; i += VLEN) TWN(TW_STORE)(to + i, TWN(TW_LOAD)(from + i));
    if (i == n) return;
    if (n >= VLEN) { /* the last vector overlaps the one before */
        TWN(TW_STORE)(to + n - VLEN, TWN(TW_LOAD)(from + n - VLEN));
        return;
    }
#if TW_VB == 64
    TWN(TW_STORE_N)(to, TWN(TW_LOAD_N)(from, n), n);
#else
    if (n & 4) memcpy(to + i, from + i, 4 * sizeof(T)), i += 4;
    if (n & 2) memcpy(to + i, from + i, 2 * sizeof(T)), i += 2;
    if (n & 1) to[i] = from[i];
#endif
}

static inline void TWN(zero_run)(T *to, int64_t n) { memset(to, 0, (size_t)n * sizeof(T)); }
