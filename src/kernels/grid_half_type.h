/* Template: grid_sample with rounding R after each operation. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, NAME)

/* NaN goes to 0. */
static float FN(clip)(float x, float last, float *slope) {
    if (x > 0 && x < last) return x;
    *slope = 0;
    return x > 0 ? last : 0;
}

static float FN(reflect)(const tw_sampling *s, float x, int64_t n, float *slope) {
    const float low = s->align ? 0 : -0.5f, twice = R((float)(2 * (s->align ? n - 1 : n)));
    if (twice == 0) {
        *slope = 0;
        return 0;
    }
    x = R(x - low);
    if (x < 0) x = -x, *slope = -*slope;
    if (s->dims == 3) {
        const float span = R(twice / 2), extra = fmodf(x, span), flips = floorf(R(x / span));
        if (fmodf(flips, 2) == 0) return R(extra + low);
        *slope = -*slope;
        return R(R(span - extra) + low);
    }
    const float extra = R(x - R(truncf(R(x / twice)) * twice)), back = R(twice - extra);
    if (!(extra > back)) return R(extra + low);
    *slope = -*slope;
    return R(back + low);
}

static float FN(padded)(const tw_sampling *s, float x, int64_t n, float *slope) {
    if (s->padding == TW_GRID_REFLECTION) x = FN(reflect)(s, x, n, slope);
    return s->padding == TW_GRID_ZEROS ? x : FN(clip)(x, R((float)(n - 1)), slope);
}

static float FN(near)(float x) { return R(R(R(R(R(1.25f * x) - 2.25f) * x) * x) + 1); }
static float FN(far)(float x) { return R(R(R(R(R(R(-0.75f * x) + 3.75f) * x) - 6) * x) + 3); }

/* Cubic convolution with a = -0.75; slopes are those of the negative place. */
static void FN(cubic)(const tw_sampling *s, float x, int64_t n, axis *a) {
    const float low = floorf(x), t = R(x - low), before = R(-1 - t), after = R(1 - t), beyond = R(2 - t);
    float ignored = 1;
    a->n = 4;
    for (int i = 0; i < 4; i++) a->at[i] = inside(FN(padded)(s, R(low + (float)(i - 1)), n, &ignored), n);
    a->weight[0] = FN(far)(R(t + 1)), a->weight[1] = FN(near)(t), a->weight[2] = FN(near)(after), a->weight[3] = FN(far)(beyond);
    a->slope[0] = R(R(R(R(2.25f * before) + 7.5f) * before) + 6);
    a->slope[1] = R(R(R(3.75f * t) - 4.5f) * -t);
    a->slope[2] = R(R(R(3.75f * after) - 4.5f) * after);
    a->slope[3] = R(R(R(R(-2.25f * beyond) + 7.5f) * beyond) - 6);
}

/* The taps of coordinate g in a dimension of n elements. */
static void FN(taps)(const tw_sampling *s, float g, int64_t n, axis *a) {
    const float size = R((float)(s->align ? n - 1 : n)), half = R(size / 2);
    float x = R(g + 1), slope = 1;
    if (s->dims == 2) x = s->align ? R(x * half) : R(R(x * half) - 0.5f);
    else x = s->align ? R(R(x / 2) * size) : R(R(R(x * size) - 1) / 2);
    a->scale = half;
    if (s->mode == TW_GRID_BICUBIC) {
        FN(cubic)(s, x, n, a);
        return;
    }
    x = FN(padded)(s, x, n, &slope);
    a->scale = R(half * slope);
    if (s->dims == 3 && !isfinite(x)) x = -2; /* outside; in two dimensions it spoils the result */
    if (s->mode == TW_GRID_NEAREST) {
        a->n = 1, a->at[0] = inside(nearbyintf(x), n), a->weight[0] = 1;
        return;
    }
    const float low = floorf(x), t = R(x - low);
    a->n = 2, a->at[0] = inside(low, n), a->at[1] = inside(low + 1, n), a->weight[1] = t;
    a->weight[0] = s->dims == 2 ? R(1 - t) : R(R(low + 1) - x);
}

/* Taps of the places from `first` on, x fastest. */
static int FN(prepare)(const tw_sampling *s, const float *grid, int count, place *p) {
    int k = 0;
    for (int i = 0; i < count; i++, p++, grid += s->dims) {
        p->z = (axis){.n = 1, .weight = {1}};
        FN(taps)(s, grid[0], s->in[2], &p->x);
        FN(taps)(s, grid[1], s->in[1], &p->y);
        if (s->dims == 3) FN(taps)(s, grid[2], s->in[0], &p->z);
        k = 0;
        for (int iz = 0; iz < p->z.n; iz++)
        for (int iy = 0; iy < p->y.n; iy++)
        for (int ix = 0; ix < p->x.n; ix++, k++) {
            const bool outside = p->z.at[iz] < 0 || p->y.at[iy] < 0 || p->x.at[ix] < 0;
            p->at[k] = outside ? -1 : (p->z.at[iz] * s->in[1] + p->y.at[iy]) * s->in[2] + p->x.at[ix];
            if (s->mode != TW_GRID_BICUBIC) p->weight[k] = R(R(p->x.weight[ix] * p->y.weight[iy]) * p->z.weight[iz]);
        }
    }
    return k;
}

static float FN(value)(const place *p, int k, const float *x) { return p->at[k] < 0 ? 0 : x[p->at[k]]; }

static void FN(spread)(const tw_sampling *s, int count, int taps, const place *p, lanes *l) {
    const bool cubic = s->mode == TW_GRID_BICUBIC;
    for (int i = 0; i < TW_GRID_BLOCK; i++) {
        for (int k = 0; k < taps; k++) l->at[k][i] = i < count ? p[i].at[k] : -1;
        for (int k = 0; k < (cubic ? 8 : taps); k++)
            l->weight[k][i] = i >= count ? 0 : !cubic ? p[i].weight[k] : k < 4 ? p[i].x.weight[k] : p[i].y.weight[k - 4];
    }
}

/* to = or += (`more`) tap k of x by its weights, a vector at a time. */
static void FN(add_tap)(const int64_t *at, const float *weight, const float *x, bool more, float *to) {
    float v[TW_GRID_BLOCK];
    for (int i = 0; i < TW_GRID_BLOCK; i++) v[i] = at[i] < 0 ? 0 : x[at[i]];
    for (int i = 0; i < TW_GRID_BLOCK; i += V_LANES_f32) {
        const vf32 part = RV(v_load_f32(v + i) * v_load_f32(weight + i));
        v_store_f32(to + i, more ? RV(v_load_f32(to + i) + part) : part);
    }
}

static void FN(sample_block)(const tw_sampling *s, const lanes *l, int taps, const float *x, float *to) {
    if (s->mode == TW_GRID_NEAREST) {
        for (int i = 0; i < TW_GRID_BLOCK; i++) to[i] = l->at[0][i] < 0 ? 0 : x[l->at[0][i]];
    } else if (s->mode == TW_GRID_BILINEAR) {
        for (int k = 0; k < taps; k++) FN(add_tap)(l->at[k], l->weight[k], x, k > 0, to);
    } else {
        float row[TW_GRID_BLOCK];
        for (int iy = 0; iy < 4; iy++) {
            for (int ix = 0; ix < 4; ix++) FN(add_tap)(l->at[4 * iy + ix], l->weight[ix], x, ix > 0, row);
            for (int i = 0; i < TW_GRID_BLOCK; i += V_LANES_f32) {
                const vf32 part = RV(v_load_f32(row + i) * v_load_f32(l->weight[4 + iy] + i));
                v_store_f32(to + i, iy ? RV(v_load_f32(to + i) + part) : part);
            }
        }
    }
}

static void FN(sample)(void *context, int64_t begin, int64_t end) {
    const tw_sampling *s = context;
    place p[TW_GRID_BLOCK];
    lanes l;
    for (int64_t u = begin; u < end; u++) {
        const int64_t image = u / s->blocks, first = u % s->blocks * TW_GRID_BLOCK;
        const int count = (int)fewer(s->places - first, TW_GRID_BLOCK);
        const int taps = FN(prepare)(s, (const float *)s->grid + (image * s->places + first) * s->dims, count, p);
        FN(spread)(s, count, taps, p, &l);
        for (int64_t c = image * s->channels; c < (image + 1) * s->channels; c++) {
            float *to = (float *)s->y + c * s->places + first, part[TW_GRID_BLOCK];
            float *y = count == TW_GRID_BLOCK ? to : part;
            FN(sample_block)(s, &l, taps, (const float *)s->x + c * s->plane, y);
            if (y != to) memcpy(to, part, (size_t)count * sizeof *to);
        }
    }
}

/* --- gradient of the grid -------------------------------------------------------------------------------------------- */

static void FN(bilinear_2d)(const place *p, const float *x, float g, float *sum) {
    const float nw = FN(value)(p, 0, x), ne = FN(value)(p, 1, x), sw = FN(value)(p, 2, x), se = FN(value)(p, 3, x);
    const float along = R(R(R(ne - nw) * p->y.weight[0]) + R(R(se - sw) * p->y.weight[1]));
    const float down = R(R(R(sw - nw) * p->x.weight[0]) + R(R(se - ne) * p->x.weight[1]));
    sum[0] = R(sum[0] + R(along * g));
    sum[1] = R(sum[1] + R(down * g));
}

static void FN(bilinear_3d)(const place *p, const float *x, float g, float *sum) {
    for (int k = 0; k < 8; k++) {
        if (p->at[k] < 0) continue;
        const float wx = p->x.weight[k & 1], wy = p->y.weight[k >> 1 & 1], wz = p->z.weight[k >> 2], v = x[p->at[k]];
        const float part[3] = {R(R(R(v * wy) * wz) * g), R(R(R(v * wx) * wz) * g), R(R(R(v * wx) * wy) * g)};
        for (int d = 0; d < 3; d++) sum[d] = R(k >> d & 1 ? sum[d] + part[d] : sum[d] - part[d]);
    }
}

static void FN(bicubic)(const place *p, const float *x, float g, float *sum) {
    for (int ix = 0; ix < 4; ix++)
    for (int iy = 0; iy < 4; iy++) {
        const float v = R(FN(value)(p, 4 * iy + ix, x) * g);
        sum[0] = R(sum[0] - R(R(v * p->x.slope[ix]) * p->y.weight[iy]));
        sum[1] = R(sum[1] - R(R(v * p->y.slope[iy]) * p->x.weight[ix]));
    }
}

static void FN(grid_gradient)(void *context, int64_t begin, int64_t end) {
    const tw_sampling *s = context;
    place p[TW_GRID_BLOCK];
    for (int64_t u = begin; u < end; u++) {
        const int64_t image = u / s->blocks, first = u % s->blocks * TW_GRID_BLOCK, at = (image * s->places + first) * s->dims;
        const int count = (int)fewer(s->places - first, TW_GRID_BLOCK);
        FN(prepare)(s, (const float *)s->grid + at, count, p);
        float sum[TW_GRID_BLOCK][3] = {{0}}, *to = (float *)s->y + at;
        for (int64_t c = image * s->channels; c < (image + 1) * s->channels; c++) {
            const float *x = (const float *)s->x + c * s->plane, *g = (const float *)s->g + c * s->places + first;
            for (int i = 0; i < count; i++) {
                if (s->mode == TW_GRID_BICUBIC) FN(bicubic)(&p[i], x, g[i], sum[i]);
                else if (s->dims == 2) FN(bilinear_2d)(&p[i], x, g[i], sum[i]);
                else FN(bilinear_3d)(&p[i], x, g[i], sum[i]);
            }
        }
        for (int i = 0; i < count; i++, to += s->dims) {
            to[0] = R(sum[i][0] * p[i].x.scale), to[1] = R(sum[i][1] * p[i].y.scale);
            if (s->dims == 3) to[2] = R(sum[i][2] * p[i].z.scale);
        }
    }
}

/* --- gradient of the input -------------------------------------------------------------------------------------------- */

/* In two dimensions PyTorch adds tap by tap, a vector of places at a time; bicubic taps with y fastest. */
static void FN(add_2d)(const tw_sampling *s, const place *p, int count, int taps, const float *g, float *y) {
    const bool cubic = s->mode == TW_GRID_BICUBIC;
    for (int t = 0; t < taps; t++) {
        const int ix = t / 4, iy = t % 4, k = cubic ? 4 * iy + ix : t;
        for (int i = 0; i < count; i++) {
            if (p[i].at[k] < 0) continue;
            float *to = y + p[i].at[k];
            *to = R(*to + (cubic ? R(R(g[i] * p[i].x.weight[ix]) * p[i].y.weight[iy]) : R(p[i].weight[k] * g[i])));
        }
    }
}

static void FN(add_3d)(const place *p, int count, int taps, const float *g, float *y) {
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < taps; k++)
            if (p[i].at[k] >= 0) y[p[i].at[k]] = R(y[p[i].at[k]] + R(p[i].weight[k] * g[i]));
    }
}

static void FN(input_gradient)(void *context, int64_t begin, int64_t end) {
    const tw_sampling *s = context;
    place p[TW_GRID_BLOCK];
    for (int64_t u = begin; u < end; u++) {
        const int64_t image = u / s->groups, low = u % s->groups * TW_GRID_GROUP, high = fewer(low + TW_GRID_GROUP, s->channels);
        float *to = (float *)s->y + (image * s->channels + low) * s->plane;
        memset(to, 0, (size_t)((high - low) * s->plane) * sizeof(float));
        for (int64_t first = 0; first < s->places; first += TW_GRID_BLOCK) {
            const int count = (int)fewer(s->places - first, TW_GRID_BLOCK);
            const int taps = FN(prepare)(s, (const float *)s->grid + (image * s->places + first) * s->dims, count, p);
            for (int64_t c = low; c < high; c++) {
                const float *g = (const float *)s->g + (image * s->channels + c) * s->places + first;
                for (int i = 0; s->dims == 2 && i < count; i += VECTOR)
                    FN(add_2d)(s, p + i, (int)fewer(count - i, VECTOR), taps, g + i, to + (c - low) * s->plane);
                if (s->dims == 3) FN(add_3d)(p, count, taps, g, to + (c - low) * s->plane);
            }
        }
    }
}
#undef FN
#undef FN2
#undef FN_
#undef NAME
#undef R
#undef RV
