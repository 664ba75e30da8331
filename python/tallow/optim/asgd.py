"""Averaged stochastic gradient descent: Polyak and Juditsky, 1992."""

from tallow.optim._step import SteppedOptimizer, check_lr, check_settings


class ASGD(SteppedOptimizer):
    """Stochastic gradient descent that also keeps the average of the weights (state `ax`)."""

    step_name = "asgd"

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False,
                 differentiable=False, capturable=False):  # fmt: skip
        check_lr(lr)
        check_settings(weight_decay=weight_decay)
        super().__init__(params, dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, capturable=capturable))  # fmt: skip
