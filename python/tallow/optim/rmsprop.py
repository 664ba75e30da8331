"""RMSprop: Hinton, 2012; centred as in Graves, 2013."""

from tallow.optim._step import SteppedOptimizer, check_lr, check_settings


class RMSprop(SteppedOptimizer):
    """Steps by gradients over the root of the running mean of their squares."""

    step_name = "rmsprop"

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, capturable=False,
                 foreach=None, maximize=False, differentiable=False):  # fmt: skip
        check_lr(lr)
        check_settings(epsilon=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered,
                                      weight_decay=weight_decay, capturable=capturable, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable))  # fmt: skip
