/* Template: kernels of max_pool2d for one element type T. LOAD(x) is the comparable value of an element, IS_NAN(x) whether it is none; ADD(x, y) their sum. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, NAME)

/* One output row: the largest of each window and its place in the plane; the first of equals, and NaN beats all. */
static void FN(row)(const pool_shape *s, const T *x, int64_t xy, int64_t xx, int64_t oy, T *value, int64_t value_step, int64_t *index,
                    int64_t index_step) {
    int64_t y0 = oy * s->stride[0] - s->padding[0], y1 = y0 + (s->window[0] - 1) * s->dilation[0] + 1;
    if (y1 > s->in[0]) y1 = s->in[0];
    while (y0 < 0) y0 += s->dilation[0];
    for (int64_t ox = 0; ox < s->out[1]; ox++) {
        int64_t x0 = ox * s->stride[1] - s->padding[1], x1 = x0 + (s->window[1] - 1) * s->dilation[1] + 1;
        if (x1 > s->in[1]) x1 = s->in[1];
        while (x0 < 0) x0 += s->dilation[1];
        int64_t best = y0 * s->in[1] + x0;
        bool any = false;
        T kept = 0;
        for (int64_t iy = y0; iy < y1; iy += s->dilation[0]) {
            for (int64_t ix = x0; ix < x1; ix += s->dilation[1]) {
                T v = x[iy * xy + ix * xx];
                if (any && !(LOAD(v) > LOAD(kept)) && !IS_NAN(v)) continue;
                kept = v, best = iy * s->in[1] + ix, any = true;
            }
        }
        value[ox * value_step] = any ? kept : LOWEST;
        index[ox * index_step] = best;
    }
}

static void FN(forward)(void *context, int64_t begin, int64_t end) {
    const pool_job *j = context;
    for (int64_t p = begin; p < end; p++) {
        int64_t image = p / j->s.channels, channel = p % j->s.channels;
        const T *x = (const T *)j->x.data + image * j->x.image + channel * j->x.channel;
        T *v = (T *)j->v.data + image * j->v.image + channel * j->v.channel;
        int64_t *at = (int64_t *)j->at.data + image * j->at.image + channel * j->at.channel;
        for (int64_t oy = 0; oy < j->s.out[0]; oy++) {
            FN(row)(&j->s, x, j->x.y, j->x.x, oy, v + oy * j->v.y, j->v.x, at + oy * j->at.y, j->at.x);
        }
    }
}

#ifdef ADD
/* x is zeroed, then each v is added at its index; or v is read from there. */
static void FN(scatter)(void *context, int64_t begin, int64_t end) {
    const pool_job *j = context;
    for (int64_t p = begin; p < end; p++) {
        int64_t image = p / j->s.channels, channel = p % j->s.channels;
        T *x = (T *)j->x.data + image * j->x.image + channel * j->x.channel;
        const T *v = (const T *)j->v.data + image * j->v.image + channel * j->v.channel;
        const int64_t *at = (const int64_t *)j->at.data + image * j->at.image + channel * j->at.channel;
        for (int64_t y = 0; y < j->s.in[0]; y++) {
            for (int64_t i = 0; i < j->s.in[1]; i++) x[y * j->x.y + i * j->x.x] = 0;
        }
        for (int64_t y = 0; y < j->s.out[0]; y++) {
            for (int64_t i = 0; i < j->s.out[1]; i++) {
                int64_t k = at[y * j->at.y + i * j->at.x];
                T *to = x + (j->x.y == j->s.in[1] * j->x.x ? k * j->x.x : k / j->s.in[1] * j->x.y + k % j->s.in[1] * j->x.x);
                *to = ADD(*to, v[y * j->v.y + i * j->v.x]);
            }
        }
    }
}

static void FN(gather)(void *context, int64_t begin, int64_t end) {
    const pool_job *j = context;
    for (int64_t p = begin; p < end; p++) {
        int64_t image = p / j->s.channels, channel = p % j->s.channels;
        const T *x = (const T *)j->x.data + image * j->x.image + channel * j->x.channel;
        T *v = (T *)j->v.data + image * j->v.image + channel * j->v.channel;
        const int64_t *at = (const int64_t *)j->at.data + image * j->at.image + channel * j->at.channel;
        for (int64_t y = 0; y < j->s.out[0]; y++) {
            for (int64_t i = 0; i < j->s.out[1]; i++) {
                int64_t k = at[y * j->at.y + i * j->at.x];
                v[y * j->v.y + i * j->v.x] = x[k / j->s.in[1] * j->x.y + k % j->s.in[1] * j->x.x];
            }
        }
    }
}
#undef ADD
#endif
#undef FN
#undef FN2
#undef FN_
#undef T
#undef NAME
#undef LOAD
#undef LOWEST
#undef IS_NAN
