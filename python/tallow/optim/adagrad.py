"""Adagrad: Duchi, Hazan and Singer, 2011."""

import tallow
from tallow.optim._step import SteppedOptimizer, check_fused, check_lr, check_settings


class Adagrad(SteppedOptimizer):
    """Steps by gradients over the root of the sum of their squares."""

    step_name = "adagrad"

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *,
                 maximize=False, differentiable=False, fused=None):  # fmt: skip
        check_lr(lr)
        check_settings(lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value,
                       epsilon=eps)  # fmt: skip
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
                                      initial_accumulator_value=initial_accumulator_value, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, fused=fused))  # fmt: skip
        check_fused(foreach, fused, differentiable)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = super()._begin(p, {**group, "fused": None})
                start = complex(initial_accumulator_value, initial_accumulator_value) if p.is_complex() else initial_accumulator_value
                self.state[p]["sum"] = tallow.full_like(p, start, memory_format=tallow.preserve_format)

    def share_memory(self):
        """Moves the sums to memory that processes share."""
        for own in self.state.values():
            own["sum"].share_memory_()
