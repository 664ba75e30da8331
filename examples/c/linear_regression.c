/* Fits y = w x + b by gradient descent, as a beginner's first PyTorch program does.
 *     cc linear_regression.c $(pkg-config --cflags --libs tallow) -o linear_regression */
#include <stdio.h>
#include <tallow/ops.h>
#include <tallow/tallow.h>

int main(void) {
    tw_manual_seed(0);
    TW_SCOPE {
        tw_tensor *x = tw_randn(TW_INTS(100, 2), TW_FLOAT32, TW_CPU);              // (100, 2)
        tw_tensor *truth = tw_from_data((float[]){2.0f, -3.4f}, TW_INTS(2, 1), TW_FLOAT32);
        tw_tensor *noise = tw_mul_s(tw_randn(TW_INTS(100, 1), TW_FLOAT32, TW_CPU), tw_float(0.01));
        tw_tensor *y = tw_add(tw_add_s(tw_matmul(x, truth), tw_float(4.2), tw_int(1)), noise, tw_int(1)); // (100, 1)

        tw_tensor *w = tw_zeros(TW_INTS(2, 1), TW_FLOAT32, TW_CPU), *b = tw_zeros(TW_INTS(1), TW_FLOAT32, TW_CPU);
        tw_requires_grad_(w, true);
        tw_requires_grad_(b, true);
        for (int epoch = 1; epoch <= 100; epoch++) TW_SCOPE {
            tw_tensor *loss = tw_mse_loss(tw_add(tw_matmul(x, w), b, tw_int(1)), y, TW_REDUCTION_MEAN);
            if (!tw_backward(loss)) return tw_report(stderr);
            TW_NO_GRAD {
                tw_sub_(w, tw_grad(w), tw_float(0.1));
                tw_sub_(b, tw_grad(b), tw_float(0.1));
            }
            tw_clear_grad(w);
            tw_clear_grad(b);
            if (epoch % 20 == 0) printf("epoch %3d  loss %.6f\n", epoch, tw_item_double(loss));
        }
        tw_print(stdout, w);
        tw_print(stdout, b);
    }
    return tw_report(stderr);
}
