"""RAdam: Liu et al., 2020."""

from tallow.optim._step import SteppedOptimizer, check_betas, check_lr, check_settings


class RAdam(SteppedOptimizer):
    """Adam whose first steps are rectified for the variance of their scale."""

    step_name = "radam"

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False):  # fmt: skip
        check_lr(lr)
        check_settings(epsilon=eps)
        check_betas(betas)
        check_settings(weight_decay=weight_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize,
                                      foreach=foreach, capturable=capturable, decoupled_weight_decay=decoupled_weight_decay,
                                      differentiable=differentiable))  # fmt: skip
