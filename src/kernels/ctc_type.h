/* Template: the forward and backward variables in T, with exp and log of T named EXP and LOG. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, NAME)

static T FN(log_prob)(const tw_ctc_job *j, int64_t t, int64_t c) { return ((const T *)j->log_probs)[t * j->step + c * j->class_step]; }

static T FN(log_sum)(T a, T b, T c) {
    T m = a;
    if (b > m) m = b;
    if (c > m) m = c;
    if (m == (T)-INFINITY) m = 0;
    return LOG(EXP(a - m) + EXP(b - m) + EXP(c - m)) + m;
}

static double FN(forward)(const tw_ctc_job *j) {
    const int64_t states = 2 * j->length + 1;
    const T never = (T)-INFINITY;
    T *alpha = j->alpha;
    if (j->time == 0) return j->length == 0 ? 0 : (double)INFINITY;
    for (int64_t s = 0; s < states; s++) alpha[s] = s < 2 ? FN(log_prob)(j, 0, state(j, s)) : never;
    for (int64_t t = 1; t < j->time; t++) {
        const T *before = alpha + (t - 1) * j->alpha_step;
        for (int64_t s = 0; s < states; s++) {
            const T sum = FN(log_sum)(before[s], s > 0 ? before[s - 1] : never, skips(j, s) ? before[s - 2] : never);
            alpha[t * j->alpha_step + s] = sum + FN(log_prob)(j, t, state(j, s));
        }
    }
    const T *last = alpha + (j->time - 1) * j->alpha_step + states - 1;
    return -(double)FN(log_sum)(last[0], j->length ? last[-1] : never, never);
}

static void FN(backward)(const tw_ctc_job *j, double likelihood, double scale, void *grad, int64_t grad_step, int64_t grad_class_step,
                         void *room) {
    const int64_t states = 2 * j->length + 1;
    const T never = (T)-INFINITY;
    T *beta = room, *next = beta + states, *sums = beta + 2 * states;
    for (int64_t t = j->time - 1; t >= 0; t--) {
        for (int64_t c = 0; c < j->classes; c++) sums[c] = never;
        for (int64_t s = states - 1; s >= 0; s--) {
            const int64_t c = state(j, s);
            const bool last = t == j->time - 1;
            T ahead = s >= states - 2 ? 0 : never;
            if (!last) {
                ahead = FN(log_sum)(next[s], s + 1 < states ? next[s + 1] : never, s + 2 < states && skips(j, s + 2) ? next[s + 2] : never);
            }
            beta[s] = ahead + FN(log_prob)(j, t, c);
            const T both = ((const T *)j->alpha)[t * j->alpha_step + s] + beta[s];
            sums[c] = sums[c] == never ? both : FN(log_sum)(sums[c], both, never);
        }
        for (int64_t c = 0; c < j->classes; c++) {
            const T p = FN(log_prob)(j, t, c);
            ((T *)grad)[t * grad_step + c * grad_class_step] = (EXP(p) - EXP(sums[c] + (T)likelihood - p)) * (T)scale;
        }
        T *swap = beta;
        beta = next, next = swap;
    }
}
#undef FN
#undef FN2
#undef FN_
#undef T
#undef NAME
#undef EXP
#undef LOG
