/* Template: c = alpha * a @ b + beta * d by plain loops in T, for types without a packed kernel. MUL_ADD(s, x, y) is s + x * y. */
static void NAME(const tw_matrix *c, const tw_matrix *a, const tw_matrix *b, const tw_matrix *d, T alpha, T beta) {
    for (int64_t i = 0; i < c->rows; i++) {
        T *to = (T *)c->data + i * c->row;
        const T *left = (const T *)a->data + i * a->row;
        for (int64_t j = 0; j < c->cols; j++) to[j * c->col] = 0;
        for (int64_t k = 0; k < a->cols; k++) {
            const T *right = (const T *)b->data + k * b->row;
            T x = left[k * a->col];
            for (int64_t j = 0; j < c->cols; j++) to[j * c->col] = MUL_ADD(to[j * c->col], x, right[j * b->col]);
        }
        for (int64_t j = 0; j < c->cols; j++) {
            T v = MUL_ADD((T)0, alpha, to[j * c->col]);
            if (d) v = MUL_ADD(v, beta, ((const T *)d->data)[i * d->row + j * d->col]);
            to[j * c->col] = v;
        }
    }
}
#undef NAME
#undef T
#undef MUL_ADD
