"""Stochastic gradient descent."""

from tallow import Tensor, _C
from tallow.optim.optimizer import Optimizer, _check_how, _number, _run_closure, _without_grad


class SGD(Optimizer):
    """w -= lr * (gradient, with weight decay, momentum and Nesterov's correction as asked)."""

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
        _check_how(foreach, fused, differentiable)

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in (("nesterov", False), ("maximize", False), ("foreach", None),
                                ("differentiable", False), ("fused", False)):  # fmt: skip
                group.setdefault(name, value)

    @_without_grad
    def step(self, closure=None):
        """One step; closure, if given, computes the loss again and returns it."""
        loss = _run_closure(closure)
        for group in self.param_groups:
            params, grads = [], []
            for p in group["params"]:
                g = p.grad
                if g is not None:
                    params.append(p)
                    grads.append(g)
            if not params:
                continue
            momentum = group["momentum"]
            buffers = None
            if momentum != 0:
                state = self.state
                buffers = [state[p].get("momentum_buffer") for p in params]
            made = sgd(params, grads, buffers, **{k: group[k] for k in _SETTINGS})
            if buffers is not None:
                for p, buffer in zip(params, made):
                    state[p]["momentum_buffer"] = buffer
        return loss


_SETTINGS = ("weight_decay", "momentum", "lr", "dampening", "nesterov", "maximize", "differentiable")
_fused = _C._sgd_step


def sgd(params, d_p_list, momentum_buffer_list, foreach=None, fused=None, *, weight_decay, momentum, lr, dampening,
        nesterov, maximize, differentiable=False, has_sparse_grad=False, grad_scale=None, found_inf=None):  # fmt: skip
    """The step on lists; returns the momentum buffers, new ones where there were none."""
    if not differentiable:
        _fused(params, d_p_list, momentum_buffer_list, float(_number(lr)), float(momentum), float(dampening),
               float(_number(weight_decay)), nesterov, maximize)  # fmt: skip
        return momentum_buffer_list
    made = []
    for i, p in enumerate(params):  # in tensor operations, so that gradients flow through the step
        g = -d_p_list[i] if maximize else d_p_list[i]
        if isinstance(weight_decay, Tensor) or weight_decay != 0:
            g = g + p * weight_decay
        if momentum != 0:
            buffer = momentum_buffer_list[i]
            buffer = g.clone() if buffer is None else buffer.mul_(momentum).add_(g * (1 - dampening))
            made.append(buffer)
            g = g + buffer * momentum if nesterov else buffer
        p.add_(g * -lr)
    return made
