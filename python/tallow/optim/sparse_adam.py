"""Adam for sparse gradients."""

import math

import tallow
from tallow import Tensor
from tallow._number import power
from tallow.optim.optimizer import Optimizer, _run_closure


class SparseAdam(Optimizer):
    """Adam, where only what a sparse gradient stores is updated: parameters and moments alike."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (("learning rate", lr), ("epsilon value", eps)):
            if not 0.0 < value:
                raise ValueError(f"Invalid {name}: {value}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))
        places = [[i, j, p] for i, group in enumerate(self.param_groups) for j, p in enumerate(group["params"])]
        sparse = [place[:2] for place in places if place[2].is_sparse]
        if sparse:
            raise ValueError(f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors")
        complex_ = [place[:2] for place in places if place[2].is_complex()]
        if complex_:
            raise ValueError(f"Complex params at indices {complex_}: SparseAdam does not support complex parameters")

    @tallow.no_grad()
    def step(self, closure=None):
        """One step; closure, if given, computes the loss again and returns it."""
        loss = _run_closure(closure)
        for group in self.param_groups:
            given = [p for p in group["params"] if p.grad is not None]
            if not all(p.grad.is_sparse for p in given):
                raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
            for p in given:
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    for name in ("exp_avg", "exp_avg_sq"):
                        state[name] = tallow.zeros_like(p, memory_format=tallow.preserve_format)
                state["step"] += 1
                _update(p, p.grad, state, group)
        return loss


def _moved(old, at, target, weight):
    """Moves old[at] towards the target; what it is then."""
    change = (target - old[at]).mul_(weight)
    before = old[at]
    old.index_put_(at, change, accumulate=True)
    return change.add_(before)


def _update(p, grad, state, group):
    lr, (beta1, beta2), step = group["lr"], group["betas"], state["step"]
    grad = (-grad if group.get("maximize", False) else grad).coalesce()  # the step is not linear: equal indices are summed before
    at, g = tuple(grad.indices()), grad.values()
    if not g.numel():
        return
    mean = _moved(state["exp_avg"], at, g, 1 - beta1)
    square = _moved(state["exp_avg_sq"], at, g.pow(2), 1 - beta2)
    size = (lr.item() if isinstance(lr, Tensor) else lr) * math.sqrt(1 - power(beta2, step)) / (1 - power(beta1, step))
    p.index_put_(at, mean.div_(square.sqrt_().add_(group["eps"])).mul_(-size), accumulate=True)
