"""Adamax: Kingma and Ba, 2015."""

from tallow.optim._step import SteppedOptimizer, check_betas, check_lr, check_settings


class Adamax(SteppedOptimizer):
    """Adam with the largest recent gradient in place of the mean square."""

    step_name = "adamax"

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False,
                 differentiable=False, capturable=False):  # fmt: skip
        check_lr(lr)
        check_settings(epsilon=eps)
        check_betas(betas)
        check_settings(weight_decay=weight_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, capturable=capturable))  # fmt: skip
