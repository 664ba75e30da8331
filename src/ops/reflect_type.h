/* Template: small steps of reflections for one element type T, with suffix S. Plain loops, compiled once: products and sums are rounded apart. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)

static T FN(length)(T a, T b) {
    const T x = ABS(a), y = ABS(b), most = x > y ? x : y, ratio = (x > y ? y : x) / most;
    return most == 0 ? 0 : most * SQRT(1 + ratio * ratio);
}

/* The reflection of (alpha, x), x of n elements, onto the first axis: beta in place of alpha, v in place of x, and tau. */
static T FN(reflection)(int64_t n, T *alpha, T *x) {
    T squares, scale = 1;
    if (n <= 0) return 0;
    tw_reflect()->dots[WIDE](n, 1, x, n, x, &squares);
    if (!(squares >= LEAST && squares <= MOST)) { /* squares may have left the range, or all are zero */
        T most = 0;
        for (int64_t i = 0; i < n; i++) most = ABS(x[i]) > most ? ABS(x[i]) : most;
        if (most == 0 && squares == 0) return 0;
        if (most > 0 && most <= MOST_NUMBER) {
            scale = most;
            for (int64_t i = 0; i < n; i++) x[i] /= scale;
            tw_reflect()->dots[WIDE](n, 1, x, n, x, &squares);
        }
    }
    const T beta = -COPYSIGN(FN(length)(*alpha, scale * SQRT(squares)), *alpha), by = *alpha - beta, tau = -by / beta, factor = scale / by;
    for (int64_t i = 0; i < n; i++) x[i] *= factor;
    *alpha = beta;
    return tau;
}

/* QR of few columns. */
static void FN(panel)(int64_t m, int64_t n, void *av, int64_t lead, void *tauv) {
    enum { SIDE = 4 };
    T *a = av, *tau = tauv, w[SIDE];
    for (int64_t j = 0; j < n && j < m; j++) {
        T *column = a + j * (lead + 1);
        tau[j] = FN(reflection)(m - j - 1, column, column + 1);
        const T beta = column[0];
        column[0] = 1;
        for (int64_t c = j + 1; c < n && tau[j] != 0; c += SIDE) { /* those columns stay in the first-level cache */
            const int64_t now = smaller(n - c, SIDE);
            tw_reflect()->dots[WIDE](m - j, now, a + c * lead + j, lead, column, w);
            for (int64_t i = 0; i < now; i++) w[i] *= tau[j];
            tw_reflect()->take_outer[WIDE](m - j, now, a + c * lead + j, lead, column, w);
        }
        column[0] = beta;
    }
}

/* v (m x k, column-major) with its ones and zeros. */
static void FN(spell_out)(int64_t m, int64_t k, const void *fromv, int64_t row, int64_t column, void *tov) {
    const T *from = fromv;
    T *to = tov;
    if (row == 1) {
        for (int64_t j = 0; j < k; j++) memcpy(to + j * m, from + j * column, (size_t)m * sizeof(T));
    } else {
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < k; j++) to[i + j * m] = from[i * row + j * column];
    }
    for (int64_t j = 0; j < k; j++) {
        for (int64_t i = 0; i < j && i < m; i++) to[i + j * m] = 0;
        if (j < m) to[j + j * m] = 1;
    }
}

/* t (k x k, column-major, upper): H(1) ... H(k) = 1 - V T V^T. s: V^T V, whose rows are its columns. */
static void FN(triangle)(int64_t k, const void *sv, const void *tauv, void *tv) {
    const T *s = sv, *tau = tauv;
    T *t = tv;
    memset(t, 0, (size_t)(k * k) * sizeof(T));
    for (int64_t i = 0; i < k; i++) {
        T *to = t + i * k;
        for (int64_t p = 0; p < i; p++) {
            const T by = s[i * k + p] * -tau[i];
            for (int64_t r = 0; r <= p; r++) to[r] += t[p * k + r] * by;
        }
        to[i] = tau[i];
    }
}

#undef FN
#undef FN2
#undef FN_
#undef ABS
#undef COPYSIGN
#undef SQRT
#undef MOST
#undef MOST_NUMBER
#undef LEAST
#undef WIDE
#undef S
#undef T
