/* Template: the three convolutions by plain loops in T, for types without a packed kernel. MUL_ADD(s, x, y) is s + x * y. */
static void NAME(const tw_conv_shape *s, int mode, const T *x, const int64_t *xs, const T *w, const int64_t *ws, const T *bias,
                 int64_t bias_step, T *y, const int64_t *ys) {
    T *to = (T *)(mode == CONV_FORWARD ? y : mode == CONV_INPUT ? (T *)x : (T *)w); /* all zero but for the forward result */
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups;
    for (int64_t n = 0; n < s->images; n++)
    for (int64_t o = 0; o < s->filters; o++)
    for (int64_t oy = 0; oy < s->out_y; oy++)
    for (int64_t ox = 0; ox < s->out_x; ox++) {
        int64_t at = n * ys[0] + o * ys[1] + oy * ys[2] + ox * ys[3], c0 = o / og * cg;
        T sum = 0, g = mode == CONV_FORWARD ? (T)0 : y[at];
        for (int64_t c = 0; c < cg; c++)
        for (int64_t ky = 0; ky < s->window_y; ky++)
        for (int64_t kx = 0; kx < s->window_x; kx++) {
            int64_t iy = oy * s->stride_y - s->padding_y + ky * s->dilation_y, ix = ox * s->stride_x - s->padding_x + kx * s->dilation_x;
            if (iy < 0 || iy >= s->in_y || ix < 0 || ix >= s->in_x) continue;
            int64_t xi = n * xs[0] + (c0 + c) * xs[1] + iy * xs[2] + ix * xs[3];
            int64_t wi = o * ws[0] + c * ws[1] + ky * ws[2] + kx * ws[3];
            if (mode == CONV_FORWARD) sum = MUL_ADD(sum, x[xi], w[wi]);
            else if (mode == CONV_INPUT) to[xi] = MUL_ADD(to[xi], g, w[wi]);
            else to[wi] = MUL_ADD(to[wi], g, x[xi]);
        }
        if (mode == CONV_FORWARD) to[at] = bias ? MUL_ADD(sum, bias[o * bias_step], (T)1) : sum;
    }
}
#undef NAME
#undef T
#undef MUL_ADD
