/* Template: tridiagonal form for one element type T, with suffix S. Plain loops, compiled once: products and sums are rounded apart. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)
#define CALL(NAME) tw_reflect()->NAME[DTYPE == TW_FLOAT64]

/* to -= what the first `count` pairs (v, w) of x, from a row on, do to a column: (v w^T + w v^T) y, given each pair's v . y and w . y. */
static void FN(take_pairs)(int64_t m, int64_t count, const T *x, int64_t lead, const T *with, int64_t step, T *to) {
    T by[2 * PANEL];
    for (int64_t p = 0; p < count; p++) {
        by[2 * p] = -with[(2 * p + 1) * step];
        by[2 * p + 1] = -with[2 * p * step];
    }
    CALL(combine)(m, 2 * count, x, lead, by, to);
}

typedef struct FN(symmetric) { int64_t n, lead; const T *a, *x; T *parts; } FN(symmetric);

static void FN(multiply_strips)(void *context, int64_t begin, int64_t end) {
    const FN(symmetric) *s = context;
    for (int64_t i = begin; i < end; i++) {
        const int64_t c = i * STRIP, rows = s->n - c;
        CALL(half_product)(rows, smaller(rows, STRIP), s->a + c * (s->lead + 1), s->lead, s->x + c, s->parts + i * s->n + c);
    }
}

/* y = a x, strip by strip of a's columns; what they give is added in order, so that threads change nothing. */
static void FN(symmetric_product)(int64_t n, const T *a, int64_t lead, const T *x, T *parts, T *y) {
    const FN(symmetric) s = {n, lead, a, x, parts};
    const int64_t strips = (n + STRIP - 1) / STRIP;
    if (n < 320) FN(multiply_strips)((void *)(uintptr_t)&s, 0, strips);
    else tw_parallel(strips, (strips + 7) / 8, FN(multiply_strips), (void *)(uintptr_t)&s);
    memcpy(y, parts, (size_t)n * sizeof(T));
    for (int64_t i = 1; i < strips; i++) {
        const T *from = parts + i * n;
        for (int64_t r = i * STRIP; r < n; r++) y[r] += from[r];
    }
}

/* The lower triangle of a (n x n) -= x y^T. */
static bool FN(take_products)(int64_t n, int64_t k, const T *x, const T *y, int64_t lead, T *a, int64_t a_lead) {
    if (n <= TRIANGLE) return tw_reflect_product(DTYPE, true, n, n, k, x, 1, lead, y, lead, 1, a, a_lead);
    const int64_t half = n / 2;
    return FN(take_products)(half, k, x, y, lead, a, a_lead) &&
           tw_reflect_product(DTYPE, true, half, n - half, k, x, 1, lead, y + half, lead, 1, a + half, a_lead) &&
           FN(take_products)(n - half, k, x + half, y + half, lead, a + half * (a_lead + 1), a_lead);
}

/* One panel; x gets its pairs of columns v, w. */
static void FN(panel)(int64_t n, int64_t from, int64_t count, T *a, int64_t lead, T *d, T *e, T *tau, T *x, T *parts) {
    T with[2 * PANEL], half;
    for (int64_t i = 0; i < count; i++) {
        const int64_t c = from + i, rows = n - c - 1;
        T *column = a + c * (lead + 1), *v = x + 2 * i * n + c + 1, *w = v + n;
        if (i) FN(take_pairs)(rows + 1, i, x + c, n, x + c, n, column);
        d[c] = column[0];
        tw_reflection(DTYPE, rows - 1, column + 1, column + 2, tau + c);
        e[c] = column[1];
        memcpy(v, column + 1, (size_t)rows * sizeof(T));
        v[0] = 1;
        FN(symmetric_product)(rows, column + lead + 1, lead, v, parts, w);
        if (i) {
            CALL(dots)(rows, 2 * i, x + c + 1, n, v, with);
            FN(take_pairs)(rows, i, x + c + 1, n, with, 1, w);
        }
        for (int64_t r = 0; r < rows; r++) w[r] *= tau[c];
        CALL(dots)(rows, 1, w, n, v, &half);
        half *= tau[c] * (T)-0.5;
        CALL(combine)(rows, 1, v, n, &half, w);
    }
}

static bool FN(tridiagonal)(int64_t n, T *a, int64_t lead, T *d, T *e, T *tau, T *x) {
    T *turned = x + 2 * n * PANEL; /* x with the columns of each pair exchanged */
    for (int64_t from = 0; from < n - 1; from += PANEL) {
        const int64_t count = smaller(PANEL, n - 1 - from), next = from + count, rest = n - next;
        FN(panel)(n, from, count, a, lead, d, e, tau, x, turned + 2 * n * PANEL);
        for (int64_t p = 0; p < 2 * count; p++) memcpy(turned + p * n + next, x + (p ^ 1) * n + next, (size_t)rest * sizeof(T));
        if (!FN(take_products)(rest, 2 * count, x + next, turned + next, n, a + next * (lead + 1), lead)) return false;
    }
    if (n) d[n - 1] = a[(n - 1) * (lead + 1)];
    return true;
}

#undef CALL
#undef FN
#undef FN2
#undef FN_
#undef DTYPE
#undef S
#undef T
