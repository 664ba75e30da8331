/* Template: kernels of max pooling for one element type T. LOAD(x) is the comparable value of an element, IS_NAN(x) whether it is none;
 * ADD(x, y) their sum; LOWEST what no element is below. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, NAME)

/* The largest of one window and its place in the volume; the first of equals, and NaN beats all. */
static T FN(window)(const pool_job *j, const windows w[3], const T *x, int64_t oz, int64_t oy, int64_t ox, int64_t *at) {
    const volume *v = &j->x;
    int64_t best = (w[0].first[oz] * j->in[1] + w[1].first[oy]) * j->in[2] + w[2].first[ox];
    bool any = false;
    T kept = LOWEST;
    for (int64_t z = w[0].first[oz]; z < w[0].last[oz]; z += w[0].step) {
        for (int64_t y = w[1].first[oy]; y < w[1].last[oy]; y += w[1].step) {
            const T *row = x + z * v->stride[0] + y * v->stride[1];
            for (int64_t i = w[2].first[ox]; i < w[2].last[ox]; i += w[2].step) {
                T value = row[i * v->stride[2]];
                if (any && !(LOAD(value) > LOAD(kept)) && !IS_NAN(value)) continue;
                kept = value, best = (z * j->in[1] + y) * j->in[2] + i, any = true;
            }
        }
    }
    *at = best;
    return kept;
}

static void FN(forward)(void *context, int64_t begin, int64_t end) {
    pool_job *j = context;
    int64_t *room = NULL;
    for (int64_t p = begin; p < end; p++) {
        windows own[3];
        const windows *w = windows_of(j, p, own, &room);
        const T *x = (const T *)j->x.data + offset(j, &j->x, p);
        T *v = (T *)j->v.data + offset(j, &j->v, p);
        int64_t *at = (int64_t *)j->at.data + offset(j, &j->at, p);
        for (int64_t oz = 0; w && oz < j->out[0]; oz++)
        for (int64_t oy = 0; oy < j->out[1]; oy++)
        for (int64_t ox = 0; ox < j->out[2]; ox++) {
            int64_t to = oz * j->v.stride[0] + oy * j->v.stride[1] + ox * j->v.stride[2];
            v[to] = FN(window)(j, w, x, oz, oy, ox, &at[oz * j->at.stride[0] + oy * j->at.stride[1] + ox * j->at.stride[2]]);
        }
    }
    tw_free(room);
}

#ifdef ADD
/* x is zeroed, then each v is added at its place (or written: `assign`). */
static void FN(scatter)(void *context, int64_t begin, int64_t end) {
    pool_job *j = context;
    for (int64_t p = begin; p < end; p++) {
        T *x = (T *)j->x.data + offset(j, &j->x, p);
        const T *v = (const T *)j->v.data + offset(j, &j->v, p);
        const int64_t *at = (const int64_t *)j->at.data + offset(j, &j->at, p);
        for (int64_t z = 0; z < j->in[0]; z++)
        for (int64_t y = 0; y < j->in[1]; y++)
        for (int64_t i = 0; i < j->in[2]; i++) x[z * j->x.stride[0] + y * j->x.stride[1] + i * j->x.stride[2]] = 0;
        for (int64_t z = 0; z < j->out[0]; z++)
        for (int64_t y = 0; y < j->out[1]; y++)
        for (int64_t i = 0; i < j->out[2]; i++) {
            int64_t k = at[z * j->at.stride[0] + y * j->at.stride[1] + i * j->at.stride[2]];
            T value = v[z * j->v.stride[0] + y * j->v.stride[1] + i * j->v.stride[2]];
            if (!inside(j, k)) continue;
            T *to = x + place(j, k);
            *to = j->assign ? value : ADD(*to, value);
        }
    }
}

static void FN(gather)(void *context, int64_t begin, int64_t end) {
    pool_job *j = context;
    for (int64_t p = begin; p < end; p++) {
        const T *x = (const T *)j->x.data + offset(j, &j->x, p);
        T *v = (T *)j->v.data + offset(j, &j->v, p);
        const int64_t *at = (const int64_t *)j->at.data + offset(j, &j->at, p);
        for (int64_t z = 0; z < j->out[0]; z++)
        for (int64_t y = 0; y < j->out[1]; y++)
        for (int64_t i = 0; i < j->out[2]; i++) {
            int64_t k = at[z * j->at.stride[0] + y * j->at.stride[1] + i * j->at.stride[2]];
            T *to = &v[z * j->v.stride[0] + y * j->v.stride[1] + i * j->v.stride[2]];
            *to = inside(j, k) ? x[place(j, k)] : (T)0;
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
