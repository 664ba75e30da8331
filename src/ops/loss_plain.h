/* Template: negative log likelihood in T, sums in double. LOAD, STORE convert an element to and from double. */
#define FN_(a, b) a##_##b
#define FN2(a, b) FN_(a, b)
#define FN(a) FN2(a, NAME)

static bool FN(forward)(const nll_job *j, void *output, void *total) {
    double sum = 0, weights = 0;
    for (int64_t n = 0; n < j->images; n++) {
        for (int64_t p = 0; p < j->places; p++) {
            int64_t target = class_at(j, n, p);
            T *one = (T *)output + (n * j->places + p);
            if (target == j->ignore_index) {
                if (j->reduction == TW_REDUCTION_NONE) *one = 0;
                continue;
            }
            if (target < 0 || target >= j->classes) return out_of_bounds(target);
            double w = j->weight ? LOAD(((const T *)j->weight)[target * j->weight_step]) : 1;
            double value = -w * LOAD(((const T *)j->self)[n * j->self_image + target * j->self_class + place_offset(j, p)]);
            if (j->reduction == TW_REDUCTION_NONE) *one = STORE(value);
            sum += value, weights += w;
        }
    }
    if (j->reduction == TW_REDUCTION_MEAN) sum /= weights;
    if (j->reduction != TW_REDUCTION_NONE) *(T *)output = STORE(sum);
    *(T *)total = STORE(j->reduction == TW_REDUCTION_NONE ? 0 : weights);
    return true;
}

/* `to` is contiguous, of the input's sizes. */
static bool FN(backward)(const nll_job *j, const void *grad, const int64_t grad_strides[2], const void *total, void *to) {
    memset(to, 0, (size_t)(j->images * j->classes * j->places) * sizeof(T));
    double scale = j->reduction == TW_REDUCTION_NONE ? 1 : LOAD(*(const T *)grad);
    if (j->reduction == TW_REDUCTION_MEAN) scale /= LOAD(*(const T *)total);
    for (int64_t n = 0; n < j->images; n++) {
        for (int64_t p = 0; p < j->places; p++) {
            int64_t target = class_at(j, n, p);
            if (target == j->ignore_index) continue;
            if (target < 0 || target >= j->classes) return out_of_bounds(target);
            double w = j->weight ? LOAD(((const T *)j->weight)[target * j->weight_step]) : 1;
            double g = j->reduction == TW_REDUCTION_NONE ? LOAD(((const T *)grad)[n * grad_strides[0] + p * grad_strides[1]]) : scale;
            ((T *)to)[(n * j->classes + target) * j->places + p] = STORE(-w * g);
        }
    }
    return true;
}
#undef FN
#undef FN2
#undef FN_
#undef T
#undef NAME
#undef LOAD
#undef STORE
