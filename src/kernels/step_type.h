/* Template: the steps in T; SQRT is its square root. */
static void SGD(int64_t n, T *restrict p, const T *restrict g, T *restrict buffer, const tw_sgd_numbers *o) {
    const T decay = (T)o->weight_decay, momentum = (T)o->momentum, keep = (T)(1 - o->dampening), rate = (T)-o->lr;
    const T sign = o->maximize ? (T)-1 : (T)1;
    const bool nesterov = o->nesterov;
    if (!buffer) {
        if (decay == 0) for (int64_t i = 0; i < n; i++) p[i] += rate * (sign * g[i]);
        else for (int64_t i = 0; i < n; i++) p[i] += rate * (sign * g[i] + decay * p[i]);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        T d = decay == 0 ? sign * g[i] : sign * g[i] + decay * p[i];
        T b = o->first ? d : momentum * buffer[i] + keep * d;
        buffer[i] = b;
        p[i] += rate * (nesterov ? d + momentum * b : b);
    }
}

static void ADAM(int64_t n, T *restrict p, const T *restrict g, T *restrict average, T *restrict square, T *restrict largest,
                 const tw_adam_numbers *o) {
    const T decay = o->decoupled ? 0 : (T)o->weight_decay, shrink = o->decoupled ? (T)(1 - o->lr * o->weight_decay) : 1;
    const T w1 = (T)(1 - o->beta1), v1 = (T)o->beta1, b2 = (T)o->beta2, w2 = (T)(1 - o->beta2), eps = (T)o->eps;
    const T step = (T)-o->step_size, correction = (T)o->correction, sign = o->maximize ? (T)-1 : (T)1;
    const bool small = w1 < (T)0.5; /* the two forms of lerp */
    for (int64_t i = 0; i < n; i++) {
        T x = p[i] * shrink, d = sign * g[i];
        if (decay != 0) d += decay * x;
        T m = average[i], far = d - m;
        m = small ? m + w1 * far : d - far * v1;
        T v = square[i] * b2 + w2 * d * d;
        average[i] = m, square[i] = v;
        if (largest) {
            T l = largest[i];
            l = v > l || v != v ? v : l;
            largest[i] = v = l;
        }
        p[i] = x + step * m / (SQRT(v) / correction + eps);
    }
}
#undef SGD
#undef ADAM
#undef T
#undef SQRT
