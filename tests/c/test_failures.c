/* Each allocation of a training step fails in turn: a clean error every time, live counts back to where they were, and the next step works. */
#include "check.h"
#include "core/memory.h"

#include <tallow/nn.h>
#include <tallow/ops.h>

enum { PARAMS = 4 };

typedef struct net { tw_tensor *p[PARAMS], *states[TW_ADAM_STATES * PARAMS], *x, *y; double steps[PARAMS]; } net;

static bool net_make(net *n) {
    static const int64_t shapes[PARAMS][4] = {{3, 1, 3, 3}, {3}, {4, 27}, {4}};
    static const int dims[PARAMS] = {4, 1, 2, 1};
    *n = (net){0};
    TW_SCOPE {
        for (int i = 0; i < PARAMS; i++) {
            n->p[i] = tw_keep(tw_empty(shapes[i], dims[i], TW_FLOAT32, TW_CPU, TW_FORMAT_NONE));
            for (int k = 0; k < 2; k++) n->states[k * PARAMS + i] = tw_keep(tw_zeros(shapes[i], dims[i], TW_FLOAT32, TW_CPU));
        }
    }
    tw_init_layer(n->p[0], n->p[1], NULL);
    tw_init_layer(n->p[2], n->p[3], NULL);
    TW_SCOPE {
        n->x = tw_keep(tw_randn(TW_INTS(2, 1, 6, 6), TW_FLOAT32, TW_CPU));
        n->y = tw_keep(tw_randint(4, TW_INTS(2), TW_INT64, TW_CPU));
    }
    for (int i = 0; i < PARAMS; i++) tw_requires_grad_(n->p[i], true);
    return tw_error() == TW_OK;
}

static void net_free(net *n) {
    for (int i = 0; i < PARAMS; i++) tw_release(n->p[i]);
    for (int i = 0; i < TW_ADAM_STATES * PARAMS; i++) tw_release(n->states[i]);
    tw_release(n->x);
    tw_release(n->y);
}

static bool step(net *n) {
    const tw_adam_options adam = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    TW_SCOPE {
        tw_tensor *h = tw_conv2d(n->x, n->p[0], n->p[1], TW_INTS(1, 1), TW_INTS(1, 1), TW_INTS(1, 1), 1);
        h = tw_max_pool2d(tw_sigmoid(h), TW_INTS(2, 2), NULL, 0, TW_INTS(0, 0), TW_INTS(1, 1), false);
        tw_tensor *scores = tw_linear(tw_flatten(h, 1, -1), n->p[2], n->p[3]), *grads[PARAMS];
        tw_tensor *loss = tw_cross_entropy_loss(scores, n->y, NULL, TW_REDUCTION_MEAN, -100, 0.0);
        if (!tw_backward(loss)) break;
        for (int i = 0; i < PARAMS; i++) grads[i] = tw_grad(n->p[i]);
        tw_adam_step(PARAMS, n->p, grads, n->states, n->steps, &adam);
    }
    return tw_error() == TW_OK;
}

static void clear(net *n) {
    for (int i = 0; i < PARAMS; i++) tw_clear_grad(n->p[i]);
}

TEST(every_allocation_of_a_training_step_may_fail) {
    net n;
    tw_memory_stats before, after;
    CHECK(net_make(&n));
    CHECK(step(&n)); /* lasting things (accumulators) exist from here on */
    clear(&n);
    tw_memory_read(&before);
    int64_t failures = 0;
    for (int64_t at = 1;; at++) {
        tw_memory_fail_at(at);
        const bool ok = step(&n);
        tw_memory_fail_at(0);
        if (ok) break; /* the step makes fewer allocations than that */
        failures++;
        CHECK(tw_error() != TW_OK && tw_error_message()[0]);
        tw_clear_error();
        clear(&n);
        tw_memory_read(&after);
        CHECK(after.structs == before.structs && after.blocks == before.blocks && after.block_bytes == before.block_bytes);
    }
    clear(&n);
    CHECK(failures > 20);
    CHECK(step(&n));
    net_free(&n);
}

RUN_TESTS
