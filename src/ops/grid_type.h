/* Template: sampling at the places of a grid in T. All arrays are dense: x (images, channels, plane), g and y (images, channels, places),
 * grid (images, places, dims). */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, NAME)

typedef struct FN(axis) { int n; int64_t at[4]; T weight[4], slope[4]; } FN(axis); /* at -1: outside, where everything is 0 */
typedef struct FN(block) {
    int64_t at[MOST_TAPS][BLOCK];
    T weight[MOST_TAPS][BLOCK], slope[3][MOST_TAPS][BLOCK]; /* slope: with respect to each coordinate of the grid */
} FN(block);

/* NaN goes to 0. */
static T FN(clip)(T x, T last, T *slope) {
    if (!(x > 0)) {
        *slope = 0;
        return 0;
    }
    if (x < last) return x;
    *slope = 0;
    return last;
}

/* Mirrors at low and low + span, as often as needed. */
static T FN(reflect)(T x, T low, T span, T *slope) {
    if (span == 0) {
        *slope = 0;
        return 0;
    }
    T from = x - low;
    if (from < 0) from = -from, *slope = -*slope;
    T rest = from - FLOOR(from / (2 * span)) * (2 * span), back = 2 * span - rest;
    if (back < rest) rest = back, *slope = -*slope;
    return rest + low;
}

static T FN(padded)(const sampling *s, T x, int64_t n, T *slope) {
    if (s->padding == REFLECTION) x = FN(reflect)(x, s->align ? 0 : (T)-0.5, s->align ? (T)(n - 1) : (T)n, slope);
    return s->padding == ZEROS ? x : FN(clip)(x, (T)(n - 1), slope);
}

static int64_t FN(place)(T x, int64_t n) { return x >= 0 && x < (T)n ? (int64_t)x : -1; }

static T FN(near)(T x) { return (((T)-0.75 + 2) * x - ((T)-0.75 + 3)) * x * x + 1; }
static T FN(far)(T x) { return (((T)-0.75 * x - 5 * (T)-0.75) * x + 8 * (T)-0.75) * x - 4 * (T)-0.75; }
static T FN(near_slope)(T x) { return (3 * ((T)-0.75 + 2) * x - 2 * ((T)-0.75 + 3)) * x; }
static T FN(far_slope)(T x) { return (3 * (T)-0.75 * x - 10 * (T)-0.75) * x + 8 * (T)-0.75; }

/* Cubic convolution with a = -0.75. */
static void FN(cubic)(const sampling *s, T x, int64_t n, T scale, FN(axis) *a) {
    T low = FLOOR(x), t = x - low, ignored = 1;
    a->n = 4;
    for (int i = 0; i < 4; i++) a->at[i] = FN(place)(FN(padded)(s, low + (T)(i - 1), n, &ignored), n);
    a->weight[0] = FN(far)(t + 1), a->weight[1] = FN(near)(t), a->weight[2] = FN(near)(1 - t), a->weight[3] = FN(far)(2 - t);
    a->slope[0] = scale * FN(far_slope)(t + 1), a->slope[1] = scale * FN(near_slope)(t);
    a->slope[2] = -scale * FN(near_slope)(1 - t), a->slope[3] = -scale * FN(far_slope)(2 - t);
}

/* The taps of coordinate g in a dimension of n elements. */
static void FN(taps)(const sampling *s, T g, int64_t n, FN(axis) *a) {
    T scale = (s->align ? (T)(n - 1) : (T)n) / 2, shift = s->align ? 0 : (T)-0.5, slope = scale;
    T x = s->dims == 2 ? FMA(g + 1, scale, shift) : (g + 1) * scale + shift; /* as PyTorch rounds: in a large image, a place's last bit shows */
    if (s->mode == BICUBIC) {
        FN(cubic)(s, x, n, scale, a);
        return;
    }
    x = FN(padded)(s, x, n, &slope);
    if (s->dims == 3 && !isfinite(x)) x = -2; /* outside; in two dimensions it spoils the result, as in PyTorch */
    if (s->mode == NEAREST) {
        *a = (FN(axis)){.n = 1, .at = {FN(place)(ROUND(x), n)}, .weight = {1}};
        return;
    }
    T low = FLOOR(x), t = x - low;
    *a = (FN(axis)){.n = 2, .at = {FN(place)(low, n), FN(place)(low + 1, n)}, .weight = {1 - t, t}, .slope = {-slope, slope}};
}

static int FN(count_in)(const sampling *s, int64_t first) { return s->places - first < BLOCK ? (int)(s->places - first) : BLOCK; }

/* Taps of the places from `first` on; the number of taps of each. */
static int FN(prepare)(const sampling *s, const T *grid, int count, bool slopes, FN(block) *b) {
    int k = 0;
    for (int i = 0; i < count; i++, grid += s->dims) {
        FN(axis) z = {.n = 1, .weight = {1}}, y, x;
        FN(taps)(s, grid[0], s->in[2], &x);
        FN(taps)(s, grid[1], s->in[1], &y);
        if (s->dims == 3) FN(taps)(s, grid[2], s->in[0], &z);
        k = 0;
        for (int iz = 0; iz < z.n; iz++)
        for (int iy = 0; iy < y.n; iy++)
        for (int ix = 0; ix < x.n; ix++, k++) {
            bool outside = z.at[iz] < 0 || y.at[iy] < 0 || x.at[ix] < 0;
            b->at[k][i] = outside ? -1 : (z.at[iz] * s->in[1] + y.at[iy]) * s->in[2] + x.at[ix];
            T zy = z.weight[iz] * y.weight[iy];
            b->weight[k][i] = zy * x.weight[ix];
            if (!slopes) continue;
            b->slope[0][k][i] = zy * x.slope[ix];
            b->slope[1][k][i] = z.weight[iz] * y.slope[iy] * x.weight[ix];
            b->slope[2][k][i] = z.slope[iz] * y.weight[iy] * x.weight[ix];
        }
    }
    return k;
}

static void FN(sample)(void *context, int64_t begin, int64_t end) {
    const sampling *s = context;
    FN(block) b;
    for (int64_t u = begin; u < end; u++) {
        int64_t image = u / s->blocks, first = u % s->blocks * BLOCK;
        int count = FN(count_in)(s, first), taps = FN(prepare)(s, (const T *)s->grid + (image * s->places + first) * s->dims, count, false, &b);
        for (int64_t c = image * s->channels; c < (image + 1) * s->channels; c++) {
            const T *x = (const T *)s->x + c * s->plane;
            T *y = (T *)s->y + c * s->places + first;
            for (int i = 0; i < count; i++) y[i] = 0;
            for (int k = 0; k < taps; k++) {
                for (int i = 0; i < count; i++) y[i] += b.weight[k][i] * (b.at[k][i] < 0 ? 0 : x[b.at[k][i]]);
            }
        }
    }
}

/* Into s->y, the gradient of the grid. */
static void FN(grid_gradient)(void *context, int64_t begin, int64_t end) {
    const sampling *s = context;
    FN(block) b;
    for (int64_t u = begin; u < end; u++) {
        int64_t image = u / s->blocks, first = u % s->blocks * BLOCK, at = (image * s->places + first) * s->dims;
        int count = FN(count_in)(s, first), taps = FN(prepare)(s, (const T *)s->grid + at, count, true, &b);
        T sum[3][BLOCK] = {{0}};
        for (int64_t c = image * s->channels; c < (image + 1) * s->channels; c++) {
            const T *x = (const T *)s->x + c * s->plane, *g = (const T *)s->g + c * s->places + first;
            for (int k = 0; k < taps; k++) {
                for (int i = 0; i < count; i++) {
                    T value = g[i] * (b.at[k][i] < 0 ? 0 : x[b.at[k][i]]);
                    for (int d = 0; d < s->dims; d++) sum[d][i] += b.slope[d][k][i] * value;
                }
            }
        }
        T *to = (T *)s->y + at;
        for (int i = 0; i < count; i++) {
            for (int d = 0; d < s->dims; d++) to[i * s->dims + d] = sum[d][i];
        }
    }
}

/* Into s->y, the gradient of the input: units are groups of channels, so that each plane is added to in one order. */
static void FN(input_gradient)(void *context, int64_t begin, int64_t end) {
    const sampling *s = context;
    FN(block) b;
    for (int64_t u = begin; u < end; u++) {
        int64_t image = u / s->groups, low = u % s->groups * GROUP, high = low + GROUP < s->channels ? low + GROUP : s->channels;
        T *to = (T *)s->y + (image * s->channels + low) * s->plane;
        memset(to, 0, (size_t)((high - low) * s->plane) * sizeof(T));
        for (int64_t first = 0; first < s->places; first += BLOCK) {
            int count = FN(count_in)(s, first);
            int taps = FN(prepare)(s, (const T *)s->grid + (image * s->places + first) * s->dims, count, false, &b);
            for (int64_t c = low; c < high; c++) {
                const T *g = (const T *)s->g + (image * s->channels + c) * s->places + first;
                T *y = to + (c - low) * s->plane;
                for (int i = 0; i < count; i++) {
                    for (int k = 0; k < taps; k++) {
                        if (b.at[k][i] >= 0) y[b.at[k][i]] += b.weight[k][i] * g[i];
                    }
                }
            }
        }
    }
}
#undef FN
#undef FN2
#undef FN_
#undef NAME
#undef T
#undef FMA
#undef FLOOR
#undef ROUND
