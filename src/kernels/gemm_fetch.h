/* Template: reading lines of an operand. T and TS (its suffix: f32, f64) are defined by the file that includes this. */
#define TWN_(name, s) name##_##s
#define TWN2_(name, s) TWN_(name, s)
#define TWN(name) TWN2_(name, TS)

#include "kernels/copy_run.h"

/* n elements `step` apart, in T. */
static void TWN(load_run)(T *to, const void *from, int dtype, int64_t offset, int64_t step, int64_t n) {
    if (dtype == TW_BFLOAT16) {
        const uint16_t *p = (const uint16_t *)from + offset;
        for (int64_t i = 0; i < n; i++) to[i] = (T)tw_bfloat_to_float(p[i * step]);
    } else if (dtype == TW_FLOAT16) {
        const uint16_t *p = (const uint16_t *)from + offset;
        for (int64_t i = 0; i < n; i++) to[i] = (T)half_to_float(p[i * step]);
    } else {
        const T *p = (const T *)from + offset;
        if (step == 1) TWN(copy_run)(to, p, n);
        else for (int64_t i = 0; i < n; i++) to[i] = p[i * step];
    }
}


/* One row of places: positions [x, x + n) of place row y. */
static void TWN(unfold_row)(const tw_gemm_operand *o, int64_t base, int64_t wx, int64_t x, int64_t n, T *to) {
    const tw_unfold *u = o->unfold;
    int64_t shift = wx * u->dilation_x - u->padding_x;
    if (u->transposed && u->stride_x > 1) { /* position x + i shows source (x + i - shift) / stride, where that is whole */
        int64_t stride = u->stride_x, s = x - shift > 0 ? (x - shift + stride - 1) / stride : 0, i = s * stride + shift - x;
        TWN(zero_run)(to, n);
        for (; i < n && s < u->width; i += stride, s++) {
            TWN(load_run)(to + i, o->data, o->dtype, base + s * u->x_stride, 1, 1);
        }
        return;
    }
    int64_t stride = u->stride_x, first = x * stride + shift;
    if (u->transposed) first = x - shift;
    /* source x of position i is first + i * stride: keep 0 <= it < width */
    int64_t low = first >= 0 ? 0 : stride == 1 ? -first : (-first + stride - 1) / stride;
    int64_t high = first >= u->width ? 0 : stride == 1 ? u->width - first : (u->width - first + stride - 1) / stride;
    if (low > n) low = n;
    if (high > n) high = n;
    if (high < low) high = low;
    for (int64_t i = 0; i < low; i++) to[i] = 0;
    if (high > low) {
        TWN(load_run)(to + low, o->data, o->dtype, base + (first + low * stride) * u->x_stride, stride * u->x_stride, high - low);
    }
    for (int64_t i = high; i < n; i++) to[i] = 0;
}

/* Strides of 1 over contiguous rows: each row of places is a run of the plane, with zeros around it. */
static void TWN(unfold_dense)(const tw_unfold *u, const T *plane, int64_t wy, int64_t wx, int64_t y, int64_t x, int64_t n, T *to) {
    int64_t dy = wy * u->dilation_y - u->padding_y, dx = wx * u->dilation_x - u->padding_x;
    if (u->transposed) dy = -dy, dx = -dx;
    int64_t low = dx < 0 ? -dx : 0, high = u->width - dx < u->places_x ? u->width - dx : u->places_x;
    for (; n > 0; y++, x = 0) {
        int64_t run = u->places_x - x < n ? u->places_x - x : n, sy = y + dy;
        if (sy < 0 || sy >= u->height) {
            TWN(zero_run)(to, run);
        } else {
            int64_t from = low - x < 0 ? 0 : low - x < run ? low - x : run, end = high - x < run ? high - x : run;
            if (end < from) end = from;
            for (int64_t i = 0; i < from; i++) to[i] = 0;
            TWN(copy_run)(to + from, plane + sy * u->y_stride + x + from + dx, end - from);
            for (int64_t i = end; i < run; i++) to[i] = 0;
        }
        to += run, n -= run;
    }
}

/* Which source index a place of the window shows; negative: none. */
static inline int64_t TWN(source)(const tw_unfold *u, int64_t place, int64_t w, int64_t stride, int64_t padding, int64_t dilation, int64_t size) {
    int64_t s = u->transposed ? place + padding - w * dilation : place * stride - padding + w * dilation;
    if (u->transposed && stride > 1) {
        if (s < 0 || s % stride) return -1;
        s /= stride;
    }
    return s < size ? s : -1;
}

/* Positions of one plane, from (y, x) on. base: of the plane, in elements. */
static void TWN(unfold_plane)(const tw_gemm_operand *o, int64_t base, int64_t wy, int64_t wx, int64_t y, int64_t x, int64_t n, T *to) {
    const tw_unfold *u = o->unfold;
    if (u->stride_x == 1 && u->stride_y == 1 && u->x_stride == 1 && o->dtype == TDTYPE) {
        TWN(unfold_dense)(u, (const T *)o->data + base, wy, wx, y, x, n, to);
        return;
    }
    for (; n > 0; y++, x = 0) {
        int64_t run = u->places_x - x < n ? u->places_x - x : n;
        int64_t sy = TWN(source)(u, y, wy, u->stride_y, u->padding_y, u->dilation_y, u->height);
        if (sy >= 0) TWN(unfold_row)(o, base + sy * u->y_stride, wx, x, run, to);
        else TWN(zero_run)(to, run);
        to += run, n -= run;
    }
}

static void TWN(unfold_line)(const tw_gemm_operand *o, int64_t line, int64_t position, int64_t n, T *to) {
    const tw_unfold *u = o->unfold;
    int64_t wx = line % u->window_x, wy = line / u->window_x % u->window_y, wz = 0, channel = line / (u->window_x * u->window_y);
    int64_t plane = u->places_x * u->places_y, image = position / plane, z = 0, at = position - image * plane;
    if (u->window_z > 1) wz = channel % u->window_z, channel /= u->window_z;
    if (u->places_z > 1) z = image % u->places_z, image /= u->places_z;
    while (n > 0) {
        int64_t run = plane - at < n ? plane - at : n;
        int64_t sz = TWN(source)(u, z, wz, u->stride_z, u->padding_z, u->dilation_z, u->depth);
        if (sz >= 0) {
            int64_t base = image * u->image_stride + channel * u->channel_stride + sz * u->z_stride;
            TWN(unfold_plane)(o, base, wy, wx, at / u->places_x, at % u->places_x, run, to);
        } else {
            TWN(zero_run)(to, run);
        }
        to += run, n -= run, at = 0;
        if (++z == u->places_z) z = 0, image++;
    }
}

/* Positions [p, p + n) of a line: in place where it lies contiguous, else copied to `buffer`. */
static const T *TWN(fetch)(const tw_gemm_operand *o, int64_t line, int64_t p, int64_t n, T *buffer) {
    if (o->unfold) {
        TWN(unfold_line)(o, line, p, n, buffer);
        return buffer;
    }
    int64_t offset = line * o->line_stride + p * o->step;
    if (o->step == 1 && o->dtype == TDTYPE) return (const T *)o->data + offset;
    TWN(load_run)(buffer, o->data, o->dtype, offset, o->step, n);
    return buffer;
}
