/* A short training over the public functions: convolutions, pooling, dropout, a linear layer, softmax, and four optimisers in turn. Prints the bits of each
 * loss and of the parameters, which are the same on every machine that keeps the promise of the same bits. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <tallow/nn.h>
#include <tallow/ops.h>

enum { PARAMS = 6, BATCH = 32, SIDE = 20, CLASSES = 10, ROOM = 4 /* states of an optimiser for one parameter, at most */ };

static uint32_t state = 12345;
static float drawn(void) { /* [-1, 1) */
    state = 1664525u * state + 1013904223u;
    return (float)(int32_t)state * 0x1p-31f;
}

static tw_tensor *filled(const int64_t *sizes, int ndim, float scale) {
    tw_tensor *t = tw_empty(sizes, ndim, TW_FLOAT32, TW_CPU, TW_FORMAT_NONE);
    float *data = tw_data_ptr(t);
    for (int64_t i = 0; i < tw_numel(t); i++) data[i] = scale * drawn();
    return t;
}

static tw_tensor *forward(tw_tensor *const *p, tw_tensor *x) {
    for (int i = 0; i < 4; i += 2) {
        x = tw_conv2d(x, p[i], p[i + 1], TW_INTS(1, 1), TW_INTS(1, 1), TW_INTS(1, 1), 1);
        x = i ? tw_tanh(x) : tw_relu(x);
        x = tw_max_pool2d(x, TW_INTS(2, 2), NULL, 0, TW_INTS(0, 0), TW_INTS(1, 1), false);
    }
    return tw_linear(tw_dropout(tw_flatten(x, 1, -1), 0.25, true), p[4], p[5]);
}

int main(void) {
    const tw_adam_options adam = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 1e-2, .decoupled_weight_decay = 1};
    const tw_sgd_options sgd = {.lr = 1e-2, .momentum = 0.9, .nesterov = 1};
    const tw_nadam_options nadam = {.lr = 2e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .momentum_decay = 4e-3};
    const tw_radam_options radam = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    tw_tensor *p[PARAMS] = {NULL}, *grads[PARAMS], *states[4][ROOM * PARAMS] = {{NULL}};
    double scalars[4][ROOM * PARAMS] = {{0}};
    uint64_t hash = 14695981039346656037ull;
    tw_manual_seed(0);
    TW_SCOPE {
        p[0] = filled(TW_INTS(8, 1, 3, 3), 0.3f);
        p[1] = filled(TW_INTS(8), 0.1f);
        p[2] = filled(TW_INTS(16, 8, 3, 3), 0.2f);
        p[3] = filled(TW_INTS(16), 0.1f);
        p[4] = filled(TW_INTS(CLASSES, 16 * (SIDE / 4) * (SIDE / 4)), 0.1f);
        p[5] = filled(TW_INTS(CLASSES), 0.1f);
        for (int i = 0; i < PARAMS; i++) tw_requires_grad_(tw_keep(p[i]), true);
        tw_tensor *x = filled(TW_INTS(BATCH, 1, SIDE, SIDE), 2.0f);
        int64_t labels[BATCH];
        for (int i = 0; i < BATCH; i++) labels[i] = i % CLASSES;
        tw_tensor *y = tw_from_data(labels, (const int64_t[]){BATCH}, 1, TW_INT64);
        for (int step = 0; step < 24; step++) TW_SCOPE {
            tw_tensor *loss = tw_cross_entropy_loss(forward(p, x), y, NULL, TW_REDUCTION_MEAN, -100, 0.0);
            if (!tw_backward(loss)) break;
            for (int i = 0; i < PARAMS; i++) grads[i] = tw_grad(p[i]);
            if (step < 8) tw_adam_step(PARAMS, p, grads, states[0], scalars[0], &adam);
            else if (step < 12) tw_sgd_step(PARAMS, p, grads, states[1], &sgd);
            else if (step < 16) tw_nadam_step(PARAMS, p, grads, states[2], scalars[2], &nadam);
            else tw_radam_step(PARAMS, p, grads, states[3], scalars[3], &radam);
            for (int i = 0; i < PARAMS; i++) tw_clear_grad(p[i]);
            printf("loss %a\n", tw_item_double(loss));
        }
    }
    for (int i = 0; i < PARAMS; i++) {
        const unsigned char *bytes = tw_data_ptr(p[i]);
        for (int64_t k = 0; bytes && k < 4 * tw_numel(p[i]); k++) hash = (hash ^ bytes[k]) * 1099511628211ull; /* FNV-1a */
        tw_release(p[i]);
    }
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < ROOM * PARAMS; k++) tw_release(states[i][k]);
    printf("parameters %016" PRIx64 "\n", hash);
    return tw_report(stderr);
}
