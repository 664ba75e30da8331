/* Template: bidiagonal form for one element type T, with suffix S. Plain loops, compiled once: products and sums are rounded apart.
 * left (m x 2 PANEL) holds pairs of columns v, x and right (n x 2 PANEL) pairs y, u: what a panel does is a -= left right^T. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)
#define CALL(NAME) tw_reflect()->NAME[DTYPE == TW_FLOAT64]

/* to -= the first `count` columns of `columns` times `by`, whose numbers are `step` apart. */
static void FN(take_columns)(int64_t m, int64_t count, const T *columns, int64_t lead, const T *by, int64_t step, T *to) {
    T negative[2 * PANEL];
    for (int64_t i = 0; i < count; i++) negative[i] = -by[i * step];
    if (count) CALL(combine)(m, count, columns, lead, negative, to);
}

/* The step of column c, for what is right of it: y, the row r of c, and the product of r with the rows below. */
typedef struct FN(pass) {
    int64_t m, n, pairs, lead; /* m rows from c on, n columns from c + 1 on */
    const T *a;                   /* from row c, column c + 1 */
    const T *v, *left, *right, *with;
    int64_t left_lead, right_lead;
    T tau, *y, *r, *parts;
} FN(pass);

static void FN(pass_strips)(void *context, int64_t begin, int64_t end) {
    const FN(pass) *s = context;
    for (int64_t i = begin; i < end; i++) {
        const int64_t q = i * STRIP, wide = smaller(s->n - q, STRIP);
        const T *a = s->a + q * s->lead;
        T *y = s->y + q, *r = s->r + q, *part = s->parts + i * s->m;
        CALL(dots)(s->m, wide, a, s->lead, s->v, y);
        FN(take_columns)(wide, s->pairs, s->right + q, s->right_lead, s->with, 1, y);
        for (int64_t j = 0; j < wide; j++) {
            y[j] *= s->tau;
            r[j] = a[j * s->lead];
        }
        FN(take_columns)(wide, s->pairs, s->right + q, s->right_lead, s->left, s->left_lead, r);
        for (int64_t j = 0; j < wide; j++) r[j] -= y[j];
        memset(part, 0, (size_t)(s->m - 1) * sizeof(T));
        CALL(combine)(s->m - 1, wide, a + 1, s->lead, r, part);
    }
}

static bool FN(is_nothing)(int64_t n, const T *x) {
    for (int64_t i = 0; i < n; i++)
        if (!(ABS(x[i]) < NOTHING)) return false;
    return true;
}

/* The row's reflection and x, after the pass. p: the column for the reflection, from row c + 1 on. */
static void FN(turn_row)(const FN(pass) *s, T *e, T *p, T *tau, T *u, T *x) {
    const int64_t rows = s->m - 1, strips = (s->n + STRIP - 1) / STRIP;
    const T *column = s->a + 1;
    T with[2 * PANEL];
    if (FN(is_nothing)(s->n, s->r)) memset(s->r, 0, (size_t)s->n * sizeof(T)); /* too small to divide by */
    const T first = s->r[0];
    tw_reflection(DTYPE, s->n - 1, s->r, s->r + 1, tau);
    const T beta = s->r[0], by = first - beta;
    *e = beta;
    memcpy(p, s->r, (size_t)s->n * sizeof(T));
    memcpy(u, s->r, (size_t)s->n * sizeof(T));
    u[0] = 1;
    if (*tau == 0) {
        memset(x, 0, (size_t)rows * sizeof(T));
        return;
    }
    memcpy(x, s->parts, (size_t)rows * sizeof(T));
    for (int64_t i = 1; i < strips; i++) {
        const T *from = s->parts + i * s->m;
        for (int64_t r = 0; r < rows; r++) x[r] += from[r];
    }
    for (int64_t r = 0; r < rows; r++) { /* of the row: now of the reflection, (row - beta at its first place) / by */
        const T much = beta * column[r];
        x[r] = (x[r] - much) / by;
    }
    CALL(dots)(s->n, s->pairs + 1, s->right, s->right_lead, u, with);
    FN(take_columns)(rows, s->pairs + 1, s->left + 1, s->left_lead, with, 1, x);
    for (int64_t r = 0; r < rows; r++) x[r] *= *tau;
}

static void FN(panel)(int64_t m, int64_t n, int64_t from, int64_t count, T *a, int64_t lead, T *d, T *e, T *tau_q, T *p, T *tau_p, T *left, T *right,
                      T *rest) {
    T with[2 * PANEL];
    for (int64_t i = 0; i < count; i++) {
        const int64_t c = from + i;
        T *column = a + c * (lead + 1), *v = left + 2 * i * m + c, *y = right + 2 * i * n + c + 1;
        FN(take_columns)(m - c, 2 * i, left + c, m, right + c, n, column);
        tw_reflection(DTYPE, m - c - 1, column, column + 1, tau_q + c);
        d[c] = column[0];
        memcpy(v, column, (size_t)(m - c) * sizeof(T));
        v[0] = 1;
        if (c == n - 1) break;
        CALL(dots)(m - c, 2 * i, left + c, m, v, with);
        FN(pass) s = {m - c, n - c - 1, 2 * i, lead, column + lead, v, left + c, right + c + 1, with, m, n, tau_q[c], y, rest, rest + n};
        const int64_t strips = (s.n + STRIP - 1) / STRIP;
        if (s.m * s.n < 60000) FN(pass_strips)(&s, 0, strips);
        else tw_parallel(strips, (strips + 7) / 8, FN(pass_strips), &s);
        FN(turn_row)(&s, e + c, p + c * n + c + 1, tau_p + c, y + n, v + m + 1);
    }
}

static bool FN(bidiagonal)(int64_t m, int64_t n, T *a, int64_t lead, T *d, T *e, T *tau_q, T *p, T *tau_p, T *room) {
    T *left = room, *right = left + 2 * PANEL * m;
    for (int64_t from = 0; from < n; from += PANEL) {
        const int64_t count = smaller(PANEL, n - from), next = from + count;
        FN(panel)(m, n, from, count, a, lead, d, e, tau_q, p, tau_p, left, right, right + 2 * PANEL * n);
        if (next < n && !tw_reflect_product(DTYPE, true, n - next, m - next, 2 * count, right + next, 1, n, left + next, m, 1, a + next * (lead + 1), lead))
            return false;
    }
    return true;
}

#undef CALL
#undef FN
#undef FN2
#undef FN_
#undef ABS
#undef NOTHING
#undef DTYPE
#undef S
#undef T
