/* Template: passes of resampling in T. A source is (a, in, b), a result (a, out, b), both dense; the middle dimension is mapped. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, NAME)

static void FN(pass)(const pass *p, int64_t a, int64_t b, const void *from, void *into) {
    const T *x = from, *weight = p->weight;
    const tw_taps *t = &p->taps;
    T *y = into;
    for (int64_t i = 0; i < a; i++, x += t->in * b) {
        for (int64_t o = 0; o < t->out; o++, y += b) {
            int64_t first = t->first[o], last = t->first[o + 1];
            if (b == 1) {
                T sum = 0;
                if (weight) for (int64_t k = first; k < last; k++) sum += weight[k] * x[t->index[k]];
                else for (int64_t k = first; k < last; k++) sum += x[t->index[k]];
                *y = sum;
                continue;
            }
            if (first == last) memset(y, 0, (size_t)b * sizeof(T));
            for (int64_t k = first; k < last; k++) {
                const T *row = x + t->index[k] * b;
                if (weight) {
                    T w = weight[k];
                    if (k == first) for (int64_t j = 0; j < b; j++) y[j] = w * row[j];
                    else for (int64_t j = 0; j < b; j++) y[j] += w * row[j];
                } else if (k == first) {
                    memcpy(y, row, (size_t)b * sizeof(T));
                } else {
                    for (int64_t j = 0; j < b; j++) y[j] += row[j];
                }
            }
        }
    }
}

/* Divides (sizes n, b inner elements) by the product of the dimensions' divisors. */
static void FN(divide)(const tw_taps *taps, const int64_t n[3], int64_t b, void *values) {
    T *v = values;
    for (int64_t z = 0; z < n[0]; z++)
    for (int64_t y = 0; y < n[1]; y++) {
        double outer = (taps[0].divide ? taps[0].divide[z] : 1) * (taps[1].divide ? taps[1].divide[y] : 1);
        for (int64_t x = 0; x < n[2]; x++) {
            T by = (T)(outer * (taps[2].divide ? taps[2].divide[x] : 1));
            for (int64_t j = 0; j < b; j++, v++) *v /= by;
        }
    }
}
#undef FN
#undef FN2
#undef FN_
#undef NAME
#undef T
