"""Adafactor: Shazeer and Stern, 2018."""

import math

import tallow
from tallow import Tensor
from tallow._number import power
from tallow.optim._step import scalar_dtype
from tallow.optim.optimizer import Optimizer, _run_closure


class Adafactor(Optimizer):
    """Adam with the mean squares of matrices kept as the product of a column and a row."""

    def __init__(self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None,
                 maximize=False):  # fmt: skip
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for good, text in [
            (0.0 <= lr, f"Learning rate should be >= 0 but is: {lr}"),
            (0.0 >= beta2_decay, f"beta2_decay should be <= 0 but is: {beta2_decay}"),
            (eps[0] is None or 0.0 <= eps[0], f"epsilon1 should be >= 0 but is: {eps[0]}"),
            (0.0 <= eps[1], f"epsilon2 should be >= 0 but is: {eps[1]}"),
            (1.0 <= d, f"Clipping threshold d should be >= 1 but is: {d}"),
            (0.0 <= weight_decay, f"weight_decay should be >= 0 but is: {weight_decay}"),
        ]:
            if not good:
                raise ValueError(text)
        super().__init__(params, dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay,
                                      foreach=foreach, maximize=maximize))  # fmt: skip

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)

    @tallow.no_grad()
    def step(self, closure=None):
        """One step; closure, if given, computes the loss again and returns it."""
        loss = _run_closure(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.is_complex():
                    raise RuntimeError("Adafactor does not support complex parameters")
                if p.grad.is_sparse:
                    raise RuntimeError("Adafactor does not support sparse gradients")
                self._step_one(p, -p.grad if group["maximize"] else p.grad, self.state[p], group)
        return loss

    @staticmethod
    def _begin(own, grad):
        own["step"] = tallow.tensor(0.0, dtype=scalar_dtype())
        if grad.dim() > 1:
            *batch, rows, columns = grad.shape
            own["row_var"] = grad.new_zeros((*batch, rows, 1))
            own["col_var"] = grad.new_zeros((*batch, 1, columns))
        else:
            own["variance"] = tallow.zeros_like(grad, memory_format=tallow.preserve_format)

    def _step_one(self, p, grad, own, group):
        if not own:
            self._begin(own, grad)
        lr, d, (eps1, eps2) = group["lr"], group["d"], group["eps"]
        lr = lr.item() if isinstance(lr, Tensor) else lr
        if eps1 is None:
            eps1 = tallow.finfo(p.dtype).eps
        own["step"] += 1
        step = own["step"].item()
        weight = power(step, group["beta2_decay"])
        size = max(eps2, p.norm(2).item() / math.sqrt(p.numel())) * min(lr, 1 / math.sqrt(step))
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        if grad.dim() > 1:
            row, column = own["row_var"], own["col_var"]
            for var, dim in ((row, -1), (column, -2)):
                mean = tallow.norm(grad, dim=dim, keepdim=True).square().div(grad.size(dim))
                var.lerp_(mean, weight)
            estimate = row @ column
            estimate.div_(row.mean(dim=-2, keepdim=True).clamp(min=eps1))
        else:
            own["variance"].lerp_(grad * grad, weight)
            estimate = own["variance"].clone()
        update = estimate.clamp(min=eps1 * eps1).rsqrt().mul(grad)
        p.add_(update, alpha=-size / max(1.0, update.norm(2).item() / (math.sqrt(update.numel()) * d)))
