/* The public functions, as a program that includes <tallow/ops.h> sees them: scopes, data, errors that chain. */
#include "check.h"
#include <tallow/nn.h>
#include <tallow/ops.h>
#include <tallow/tallow.h>

static tw_tensor *counting(int64_t n) {
    float values[64];
    for (int64_t i = 0; i < n; i++) values[i] = (float)i;
    return tw_from_data(values, &n, 1, TW_FLOAT32);
}

TEST(a_scope_releases_its_tensors) {
    TW_SCOPE {
        for (int i = 0; i < 100; i++) CHECK(counting(3));
        TW_SCOPE { CHECK(counting(4)); }
    }
}

static int leave_early(int how) {
    for (int i = 0; i < 1; i++)
        TW_SCOPE {
            counting(5);
            if (how == 0) return 1;
            if (how == 1) break;
            goto out;
        }
    return 2;
out:
    return 3;
}

TEST(scopes_close_on_every_way_out) { CHECK(leave_early(0) == 1 && leave_early(1) == 2 && leave_early(2) == 3); }

TEST(keeping_takes_out_of_the_scope) {
    tw_tensor *kept = NULL;
    TW_SCOPE {
        TW_SCOPE { kept = tw_keep(counting(3)); }
        CHECK(tw_size(kept, 0) == 3);
    }
    CHECK(tw_item_double(kept) == 0);
    CHECK_ERROR(TW_RUNTIME_ERROR, "a Tensor with 3 elements cannot be converted to Scalar");
    tw_tensor *again = tw_retain(kept);
    tw_release(kept);
    CHECK(tw_numel(again) == 3);
    tw_release(again);
    tw_release(NULL);
    CHECK(!tw_retain(NULL) && !tw_keep(NULL));
}

TEST(without_a_scope_the_caller_owns) { tw_release(counting(2)); }

TEST(what_must_be_there_is_an_error_when_it_is_not) {
    TW_SCOPE {
        tw_tensor *a = counting(3), *kept[2] = {a, a};
        CHECK(!tw_add(NULL, a, tw_int(1)));
        CHECK_ERROR(TW_TYPE_ERROR, "tw_add: argument 'self' is NULL or not valid");
        CHECK(!tw_dot(a, NULL));
        CHECK_ERROR(TW_TYPE_ERROR, "tw_dot: argument 'tensor' is NULL or not valid");
        CHECK(!tw_add_s_(NULL, tw_int(1), tw_int(1)));
        CHECK_ERROR(TW_TYPE_ERROR, "argument 'self'");
        CHECK(!tw_cat((tw_tensor *[]){a, NULL}, 2, 0));
        CHECK_ERROR(TW_TYPE_ERROR, "tw_cat: argument 'tensors' is NULL or not valid");
        CHECK(!tw_ones(NULL, 3, TW_FLOAT32, TW_CPU));
        CHECK_ERROR(TW_TYPE_ERROR, "argument 'size'");
        CHECK(!tw_ones(NULL, 0, (tw_dtype)77, TW_CPU));
        CHECK_ERROR(TW_TYPE_ERROR, "argument 'dtype'");
        CHECK(!tw_ones(NULL, 0, TW_FLOAT32, 2));
        CHECK_ERROR(TW_ASSERTION_ERROR, "Torch not compiled with CUDA enabled");
        CHECK(!tw_from_data(NULL, (int64_t[]){2}, 1, TW_FLOAT32));
        CHECK_ERROR(TW_VALUE_ERROR, "tw_from_data: there is no memory (NULL) for 2 elements");
        CHECK(!tw_from_data("x", NULL, 1, TW_UINT8));
        CHECK_ERROR(TW_VALUE_ERROR, "tw_from_data: 1 sizes are expected, and none are given");
        CHECK(!tw_to_data(a, NULL, TW_FLOAT32));
        CHECK_ERROR(TW_VALUE_ERROR, "tw_to_data: there is no memory (NULL) for 3 elements");
        CHECK(!tw_max_dim(a, 7, false, &kept[0], &kept[1]) && !kept[0] && !kept[1]);
        CHECK_ERROR(TW_INDEX_ERROR, "Dimension out of range");
        CHECK(!tw_init_uniform(NULL, 0, 1, NULL));
        CHECK_ERROR(TW_VALUE_ERROR, "a tensor was expected, not NULL");
        CHECK(!tw_adam_step(1, &a, &a, NULL, NULL, NULL));
        CHECK_ERROR(TW_VALUE_ERROR, "tw_adam_step: an argument is NULL");
        const tw_sgd_options plain = {.lr = 0.1}, heavy = {.lr = 0.1, .momentum = 0.9};
        CHECK(tw_sgd_step(1, &a, &a, NULL, &plain) && !tw_sgd_step(1, &a, &a, NULL, &heavy));
        CHECK_ERROR(TW_VALUE_ERROR, "tw_sgd_step: an argument is NULL");
        CHECK(!tw_load(NULL) && !tw_save("x", NULL, NULL, 1));
        CHECK_ERROR(TW_VALUE_ERROR, "the path is NULL");
        CHECK(!tw_named_get(NULL, "a"));
        CHECK_ERROR(TW_VALUE_ERROR, "tw_named_get: an argument is NULL");
        CHECK(tw_index_Tensor(counting(3), (tw_tensor *[]){tw_from_data((int64_t[]){2}, (int64_t[]){1}, 1, TW_INT64)}, 1));
    }
}

TEST(a_pending_error_stops_the_chain) {
    const int64_t bad = -5;
    TW_SCOPE {
        CHECK(!tw_from_data(NULL, &bad, 1, TW_FLOAT32));
        CHECK(!counting(2));
        CHECK(!tw_from_scalar(tw_float(1), TW_DTYPE_NONE));
        CHECK(!tw_backward(NULL));
        CHECK(!tw_load("/nonexistent"));
    }
    CHECK_ERROR(TW_RUNTIME_ERROR, "negative dimension -5");
    CHECK(!tw_backward(NULL));
    CHECK_ERROR(TW_VALUE_ERROR, "NULL");
}

TEST(data_in_and_out) {
    const int64_t sizes[2] = {2, 3};
    const int32_t values[6] = {1, -2, 3, 4, 5, 6};
    TW_SCOPE {
        tw_tensor *t = tw_from_data(values, sizes, 2, TW_INT32);
        CHECK(tw_ndim(t) == 2 && tw_size(t, -1) == 3 && tw_stride(t, 0) == 3 && tw_numel(t) == 6 && tw_dtype_of(t) == TW_INT32);
        CHECK(memcmp(tw_data_ptr(t), values, sizeof values) == 0 && tw_device_where(t) == TW_CPU && !tw_is_lazy(t));
        double doubles[6];
        CHECK(tw_to_data(t, doubles, TW_FLOAT64) && doubles[1] == -2 && doubles[5] == 6);
        CHECK(tw_size(t, 2) == -1);
        CHECK_ERROR(TW_INDEX_ERROR, "Dimension out of range");
        CHECK(tw_item_int64(tw_from_scalar(tw_float(2.75), TW_DTYPE_NONE)) == 2);
        CHECK(tw_item_double(tw_from_scalar(tw_int(7), TW_DTYPE_NONE)) == 7);
    }
}

static void note_release(void *context, void *data, size_t bytes) { *(int *)context += data && bytes == 12; }

TEST(borrowed_data_is_given_back) {
    static float values[3] = {1, 2, 3};
    const int64_t three = 3, bad = -1;
    int released = 0;
    TW_SCOPE {
        tw_tensor *t = tw_from_borrowed(values, &three, 1, TW_FLOAT32, note_release, &released);
        CHECK(tw_data_ptr(t) == values && released == 0);
    }
    CHECK(released == 1);
    for (int n = 1; n < 6; n++) {
        tw_memory_fail_at(n);
        tw_tensor *t = tw_from_borrowed(values, &three, 1, TW_FLOAT32, note_release, &released);
        tw_memory_fail_at(0);
        CHECK((t == NULL) == (tw_error() != TW_OK));
        tw_clear_error();
        if (t) released--;
        tw_release(t);
    }
    CHECK(released == 1);
    CHECK(!tw_from_borrowed(values, &bad, 1, TW_FLOAT32, note_release, &released) && released == 1);
    CHECK_ERROR(TW_RUNTIME_ERROR, "negative dimension");
}

TEST(printing_to_a_stream) {
    char text[200] = "";
    FILE *to = fmemopen(text, sizeof text, "w");
    TW_SCOPE { CHECK(tw_print(to, counting(3)) && tw_print(to, NULL)); }
    fclose(to);
    CHECK(strcmp(text, "tensor([0., 1., 2.])\nNone\n") == 0);
}

TEST(gradient_switches) {
    TW_SCOPE {
        tw_tensor *t = counting(3);
        CHECK(tw_requires_grad_(t, true) && !tw_grad(t));
        TW_NO_GRAD { CHECK(tw_set_no_grad(true) != 0); }
        unsigned was = tw_set_no_grad(false);
        CHECK(was == 0);
        tw_clear_grad(t);
        const int64_t n = 1, value = 1;
        CHECK(!tw_requires_grad_(tw_from_data(&value, &n, 1, TW_INT64), true));
        CHECK_ERROR(TW_RUNTIME_ERROR, "floating point");
    }
}

TEST(gradients_reach_the_leaves) {
    TW_SCOPE {
        tw_tensor *t = counting(3);
        CHECK(tw_requires_grad_(t, true));
        for (int i = 0; i < 2; i++) CHECK(tw_backward(tw_sum(tw_mul(t, t), TW_DTYPE_NONE))); /* they accumulate */
        double grad[3] = {0};
        CHECK(tw_grad(t) && tw_to_data(tw_grad(t), grad, TW_FLOAT64) && grad[0] == 0 && grad[1] == 4 && grad[2] == 8);
        tw_clear_grad(t);
        CHECK(!tw_grad(t));
        TW_NO_GRAD {
            tw_tensor *loss = tw_sum(tw_mul(t, t), TW_DTYPE_NONE);
            CHECK(tw_item_double(loss) == 5 && !tw_backward(loss));
            CHECK_ERROR(TW_RUNTIME_ERROR, "does not require grad and does not have a grad_fn");
        }
    }
}

RUN_TESTS
