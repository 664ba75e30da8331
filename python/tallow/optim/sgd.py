"""Stochastic gradient descent."""

from tallow import Tensor
from tallow.optim._step import Step, SteppedOptimizer, _number, check_fused


class SGD(SteppedOptimizer):
    """w -= lr * (gradient, with weight decay, momentum and Nesterov's correction as asked)."""

    step_name = "sgd"

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False,
                 foreach=None, differentiable=False, fused=None):  # fmt: skip
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
                        maximize=maximize, foreach=foreach, differentiable=differentiable, fused=fused)  # fmt: skip
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)
        check_fused(foreach, fused, differentiable)

    def _step_sparse(self, p, grad, group):
        if group["maximize"]:
            grad = -grad
        if group["weight_decay"] != 0:
            grad = grad.add(p, alpha=group["weight_decay"])  # refused, as in PyTorch: the sum is dense
        if group["momentum"] != 0:
            buffer = self.state[p].get("momentum_buffer")
            if buffer is None:
                buffer = grad.detach().clone()
            else:
                buffer.mul_(group["momentum"]).add_(grad, alpha=1 - group["dampening"])
            self.state[p]["momentum_buffer"] = buffer
            grad = grad.add(buffer, alpha=group["momentum"]) if group["nesterov"] else buffer
        p.add_(grad, alpha=-_number(group["lr"]))


_step = Step("sgd")


def sgd(params, d_p_list, momentum_buffer_list, foreach=None, fused=None, *, weight_decay, momentum, lr, dampening,
        nesterov, maximize, has_sparse_grad=False, grad_scale=None, found_inf=None):  # fmt: skip
    """The step on lists; momentum buffers that are None are made."""
    options = (lr, momentum, dampening, weight_decay, nesterov, maximize)
    _step.run(options, params, d_p_list, (momentum_buffer_list or [None] * len(params),), ())
