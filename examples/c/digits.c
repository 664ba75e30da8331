/* Trains the network of examples/python/digits.py on the idx files in a folder: the same losses, bit for bit.
 *     cc digits.c $(pkg-config --cflags --libs tallow) -o digits && ./digits out/digits */
#include <stdio.h>
#include <tallow/nn.h>
#include <tallow/ops.h>
#include <tallow/tallow.h>

enum { EPOCHS = 12, BATCH = 50, PARAMS = 6 };

typedef struct model { tw_tensor *p[PARAMS], *states[TW_ADAM_STATES * PARAMS]; double steps[PARAMS]; } model;

static const char *const names[PARAMS] = {"0.weight", "0.bias", "3.weight", "3.bias", "8.weight", "8.bias"};
static const int64_t shapes[PARAMS][5] = {{4, 16, 1, 5, 5}, {1, 16}, {4, 32, 16, 5, 5}, {1, 32}, {2, 10, 1568}, {1, 10}}; // ndim, sizes

static bool model_init(model *m) {
    for (int i = 0; i < PARAMS; i++)
        if (!(m->p[i] = tw_keep(tw_empty(shapes[i] + 1, shapes[i][0], TW_FLOAT32, TW_CPU, TW_FORMAT_NONE)))) return false;
    for (int i = 0; i < PARAMS; i += 2)
        if (!tw_init_layer(m->p[i], m->p[i + 1], NULL)) return false;
    for (int i = 0; i < PARAMS; i++) tw_requires_grad_(m->p[i], true);
    return tw_error() == TW_OK;
}

static void model_free(model *m) {
    for (int i = 0; i < PARAMS; i++) tw_release(m->p[i]);
    for (int i = 0; i < TW_ADAM_STATES * PARAMS; i++) tw_release(m->states[i]);
}

/* x (N, 1, 28, 28) → scores (N, 10) */
static tw_tensor *forward(const model *m, tw_tensor *x, bool training) {
    for (int i = 0; i < 4; i += 2) {
        x = tw_conv2d(x, m->p[i], m->p[i + 1], TW_INTS(1, 1), TW_INTS(2, 2), TW_INTS(1, 1), 1);
        x = tw_max_pool2d(tw_relu(x), TW_INTS(2, 2), NULL, 0, TW_INTS(0, 0), TW_INTS(1, 1), false);
    }
    return tw_linear(tw_dropout(tw_flatten(x, 1, -1), 0.5, training), m->p[4], m->p[5]);
}

static tw_tensor *load(const char *folder, const char *name, bool images) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    tw_tensor *raw = tw_load_idx(path);
    if (!images) return tw_to_dtype(raw, TW_INT64, false, false, TW_FORMAT_NONE);
    tw_tensor *pixels = tw_to_dtype(tw_unsqueeze(raw, 1), TW_FLOAT32, false, false, TW_FORMAT_NONE);
    return tw_div_s(pixels, tw_float(255));
}

static bool train(model *m, tw_tensor *images, tw_tensor *labels) {
    const tw_adam_options adam = {.lr = 2e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    const int64_t n = tw_size(labels, 0);
    for (int epoch = 0; epoch < EPOCHS; epoch++) TW_SCOPE {
        tw_tensor *order = tw_randperm(n, TW_INT64, TW_CPU);
        for (int64_t start = 0; start < n; start += BATCH) TW_SCOPE {
            tw_tensor *chosen = tw_narrow(order, 0, start, n - start < BATCH ? n - start : BATCH), *grads[PARAMS];
            tw_tensor *scores = forward(m, tw_index_select(images, 0, chosen), true);
            tw_tensor *loss = tw_cross_entropy_loss(scores, tw_index_select(labels, 0, chosen), NULL, TW_REDUCTION_MEAN, -100, 0.0);
            if (!tw_backward(loss)) return false;
            for (int i = 0; i < PARAMS; i++) grads[i] = tw_grad(m->p[i]);
            if (!tw_adam_step(PARAMS, m->p, grads, m->states, m->steps, &adam)) return false;
            for (int i = 0; i < PARAMS; i++) tw_clear_grad(m->p[i]);
            printf("%a\n", tw_item_double(loss));
        }
    }
    return tw_error() == TW_OK;
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : "out/digits";
    model m = {0};
    tw_manual_seed(0);
    TW_SCOPE {
        tw_tensor *x = load(folder, "train-images-idx3-ubyte", true), *y = load(folder, "train-labels-idx1-ubyte", false);
        tw_tensor *held_x = load(folder, "t10k-images-idx3-ubyte", true), *held_y = load(folder, "t10k-labels-idx1-ubyte", false);
        if (!held_y || !model_init(&m) || !train(&m, x, y) || !tw_save("out/digits-c.pt", names, m.p, PARAMS)) break;
        TW_NO_GRAD {
            tw_tensor *right = tw_eq(tw_argmax(forward(&m, held_x, false), 1, false), held_y);
            tw_tensor *share = tw_mean(tw_to_dtype(right, TW_FLOAT32, false, false, TW_FORMAT_NONE), TW_DTYPE_NONE);
            fprintf(stderr, "held-out accuracy %.4f\n", tw_item_double(share));
        }
    }
    model_free(&m);
    return tw_report(stderr);
}
