/* Template: the three convolutions by plain loops in T, for types without a packed kernel. MUL_ADD(s, x, y) is s + x * y.
 * What is written is zero, or holds its bias, before: sums go on from there. */
static void NAME(const tw_conv_shape *s, int mode, T *x, const int64_t *xs, T *w, const int64_t *ws, T *y, const int64_t *ys) {
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups;
    for (int64_t n = 0; n < s->images; n++)
    for (int64_t o = 0; o < s->filters; o++)
    for (int64_t oz = 0; oz < s->out[0]; oz++)
    for (int64_t oy = 0; oy < s->out[1]; oy++)
    for (int64_t ox = 0; ox < s->out[2]; ox++) {
        int64_t at = n * ys[0] + o * ys[1] + oz * ys[2] + oy * ys[3] + ox * ys[4], c0 = o / og * cg;
        T sum = y[at];
        for (int64_t c = 0; c < cg; c++)
        for (int64_t kz = 0; kz < s->window[0]; kz++)
        for (int64_t ky = 0; ky < s->window[1]; ky++)
        for (int64_t kx = 0; kx < s->window[2]; kx++) {
            int64_t iz = oz * s->stride[0] - s->padding[0] + kz * s->dilation[0], iy = oy * s->stride[1] - s->padding[1] + ky * s->dilation[1];
            int64_t ix = ox * s->stride[2] - s->padding[2] + kx * s->dilation[2];
            if (iz < 0 || iz >= s->in[0] || iy < 0 || iy >= s->in[1] || ix < 0 || ix >= s->in[2]) continue;
            int64_t xi = n * xs[0] + (c0 + c) * xs[1] + iz * xs[2] + iy * xs[3] + ix * xs[4];
            int64_t wi = o * ws[0] + c * ws[1] + kz * ws[2] + ky * ws[3] + kx * ws[4];
            if (mode == CONV_FORWARD) sum = MUL_ADD(sum, x[xi], w[wi]);
            else if (mode == CONV_INPUT) x[xi] = MUL_ADD(x[xi], sum, w[wi]);
            else w[wi] = MUL_ADD(w[wi], sum, x[xi]);
        }
        if (mode == CONV_FORWARD) y[at] = sum;
    }
}
#undef NAME
#undef T
#undef MUL_ADD
