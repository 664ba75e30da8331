/* Template: the forward and backward variables in T, whose vectors are named by S (f32, f64), with exp and log of them as EXP and LOG. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, S)
#define VEC_(s) v##s
#define VEC2(s) VEC_(s)
#define V VEC2(S)
#define L FN(V_LANES)

static T FN(log_prob)(const tw_ctc_job *j, int64_t t, int64_t c) { return ((const T *)j->log_probs)[t * j->step + c * j->class_step]; }

TW_INLINE V FN(load)(const T *p, int64_t n) { return n >= L ? FN(v_load)(p) : FN(v_load_n)(p, n); }
TW_INLINE void FN(store)(T *p, V x, int64_t n) {
    if (n >= L) FN(v_store)(p, x);
    else FN(v_store_n)(p, x, n);
}
TW_INLINE V FN(larger)(V a, V b) { return FN(v_select)(FN(v_gt)(b, a), b, a); }

/* to = log(exp(a) + exp(b) + exp(c)), element by element. */
static void FN(log_sums)(int64_t n, const T *a, const T *b, const T *c, T *to) {
    const V never = FN(v_splat)((T)-INFINITY);
    for (int64_t i = 0; i < n; i += L) {
        const V x = FN(load)(a + i, n - i), y = FN(load)(b + i, n - i), z = FN(load)(c + i, n - i), most = FN(larger)(FN(larger)(x, y), z);
        const V m = FN(v_select)(FN(v_eq)(most, never), FN(v_splat)((T)0), most);
        FN(store)(to + i, LOG(EXP(x - m) + EXP(y - m) + EXP(z - m)) + m, n - i);
    }
}

/* The same of two numbers that are not both -inf. */
static T FN(log_sum)(T a, T b) {
    const T most = b > a ? b : a, less = b > a ? a : b;
    T all[L];
    FN(v_store)(all, LOG(FN(v_splat)((T)1) + EXP(FN(v_splat)(less - most))));
    return all[0] + most;
}

static void FN(exps)(int64_t n, T *x) {
    for (int64_t i = 0; i < n; i += L) FN(store)(x + i, EXP(FN(load)(x + i, n - i)), n - i);
}

static double FN(forward)(const tw_ctc_job *j, void *room) {
    const int64_t states = 2 * j->length + 1;
    const T never = (T)-INFINITY;
    T *alpha = j->alpha, *one = room, *two = one + states;
    if (j->time == 0) return j->length == 0 ? 0 : (double)INFINITY;
    for (int64_t s = 0; s < states; s++) alpha[s] = s < 2 ? FN(log_prob)(j, 0, state(j, s)) : never;
    for (int64_t t = 1; t < j->time; t++) {
        const T *before = alpha + (t - 1) * j->alpha_step;
        T *now = alpha + t * j->alpha_step;
        for (int64_t s = 0; s < states; s++) {
            one[s] = s > 0 ? before[s - 1] : never;
            two[s] = skips(j, s) ? before[s - 2] : never;
        }
        FN(log_sums)(states, before, one, two, now);
        for (int64_t s = 0; s < states; s++) now[s] += FN(log_prob)(j, t, state(j, s));
    }
    const T *last = alpha + (j->time - 1) * j->alpha_step + states - 1;
    T all = 0;
    FN(log_sums)(1, last, j->length ? last - 1 : &never, &never, &all);
    return -(double)all;
}

static void FN(backward)(const tw_ctc_job *j, double likelihood, double scale, void *grad, int64_t grad_step, int64_t grad_class_step,
                         void *room) {
    const int64_t states = 2 * j->length + 1;
    const T never = (T)-INFINITY;
    T *beta = room, *next = beta + states, *one = next + states, *two = one + states, *sums = two + states, *probs = sums + j->classes;
    for (int64_t t = j->time - 1; t >= 0; t--) {
        for (int64_t s = 0; t < j->time - 1 && s < states; s++) {
            one[s] = s + 1 < states ? next[s + 1] : never;
            two[s] = s + 2 < states && skips(j, s + 2) ? next[s + 2] : never;
        }
        if (t < j->time - 1) FN(log_sums)(states, next, one, two, beta);
        else for (int64_t s = 0; s < states; s++) beta[s] = s >= states - 2 ? 0 : never;
        for (int64_t c = 0; c < j->classes; c++) sums[c] = never, probs[c] = FN(log_prob)(j, t, c);
        for (int64_t s = states - 1; s >= 0; s--) {
            const int64_t c = state(j, s);
            beta[s] += probs[c];
            const T both = ((const T *)j->alpha)[t * j->alpha_step + s] + beta[s];
            sums[c] = sums[c] == never ? both : FN(log_sum)(sums[c], both);
        }
        for (int64_t c = 0; c < j->classes; c++) sums[c] = sums[c] + (T)likelihood - probs[c];
        FN(exps)(j->classes, sums);
        FN(exps)(j->classes, probs);
        T *to = (T *)grad + t * grad_step;
        for (int64_t c = 0; c < j->classes; c++) to[c * grad_class_step] = (probs[c] - sums[c]) * (T)scale;
        T *swap = beta;
        beta = next, next = swap;
    }
}
#undef FN_
#undef FN2
#undef FN
#undef VEC_
#undef VEC2
#undef V
#undef L
#undef S
#undef T
#undef EXP
#undef LOG
