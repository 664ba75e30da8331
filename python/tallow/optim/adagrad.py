"""Adagrad: Duchi, Hazan and Singer, 2011."""

import tallow
from tallow.optim._step import SteppedOptimizer, _number, check_fused, check_lr, check_settings


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

    def _step_sparse(self, p, grad, group):
        own = self.state[p]
        own["step"] += 1
        if group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        grad = (-grad if group["maximize"] else grad).coalesce()  # equal indices are one step
        if not grad._nnz():
            return
        at, g = tuple(grad.indices()), grad.values()
        rate = _number(group["lr"]) / (1 + (own["step"].item() - 1) * group["lr_decay"])
        own["sum"].index_put_(at, g * g, accumulate=True)
        p.index_put_(at, g / own["sum"][at].sqrt().add_(group["eps"]) * -rate, accumulate=True)

    def share_memory(self):
        """Moves the sums to memory that processes share."""
        for own in self.state.values():
            own["sum"].share_memory_()
