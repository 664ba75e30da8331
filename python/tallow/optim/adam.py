"""Adam and AdamW: Kingma and Ba, 2015; Loshchilov and Hutter, 2019."""

import tallow
from tallow import Tensor, _C
from tallow._number import power
from tallow.optim.optimizer import Optimizer, _check_how, _number, _run_closure, _without_grad


class Adam(Optimizer):
    """Steps by the running mean of gradients over the root of the running mean of their squares."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False, fused=None,
                 decoupled_weight_decay=False):  # fmt: skip
        if isinstance(lr, Tensor):
            if foreach and not capturable:
                raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
            if lr.numel() != 1:
                raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if not (isinstance(betas[0], float) and isinstance(betas[1], float)
                or isinstance(betas[0], Tensor) and isinstance(betas[1], Tensor)
                or not any(isinstance(beta, Tensor) for beta in betas)):  # fmt: skip
            raise ValueError("betas must be either both floats or both Tensors")
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize,
                        foreach=foreach, capturable=capturable, differentiable=differentiable, fused=fused,
                        decoupled_weight_decay=decoupled_weight_decay)  # fmt: skip
        super().__init__(params, defaults)
        _check_how(foreach, fused, differentiable)

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in (("amsgrad", False), ("maximize", False), ("foreach", None), ("capturable", False),
                                ("differentiable", False), ("decoupled_weight_decay", False), ("fused", None)):  # fmt: skip
                group.setdefault(name, value)
            for p in group["params"]:
                own = self.state.get(p, ())
                if own and not isinstance(own["step"], Tensor):
                    own["step"] = tallow.tensor(float(own["step"]), dtype=_step_dtype())

    def _init_state(self, p, amsgrad):
        own = self.state[p]
        own["step"] = tallow.tensor(0.0, dtype=_step_dtype())
        own["exp_avg"] = tallow.zeros_like(p, memory_format=tallow.preserve_format)
        own["exp_avg_sq"] = tallow.zeros_like(p, memory_format=tallow.preserve_format)
        if amsgrad:
            own["max_exp_avg_sq"] = tallow.zeros_like(p, memory_format=tallow.preserve_format)
        return own

    @_without_grad
    def step(self, closure=None):
        """One step; closure, if given, computes the loss again and returns it."""
        loss = _run_closure(closure)
        for group in self.param_groups:
            params, grads, means, squares, largest, steps = [], [], [], [], [], []
            amsgrad, state = group["amsgrad"], self.state
            for p in group["params"]:
                g = p.grad
                if g is None:
                    continue
                own = state[p] or self._init_state(p, amsgrad)
                params.append(p)
                grads.append(g)
                means.append(own["exp_avg"])
                squares.append(own["exp_avg_sq"])
                steps.append(own["step"])
                if amsgrad:
                    largest.append(own["max_exp_avg_sq"])
            if params:
                beta1, beta2 = group["betas"]
                adam(params, grads, means, squares, largest, steps, amsgrad=amsgrad, beta1=beta1, beta2=beta2,
                     lr=group["lr"], weight_decay=group["weight_decay"], eps=group["eps"],
                     maximize=group["maximize"], differentiable=group["differentiable"],
                     decoupled_weight_decay=group["decoupled_weight_decay"])  # fmt: skip
        return loss


class AdamW(Adam):
    """Adam with the weight decay taken from the weights themselves."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
                 maximize=False, foreach=None, capturable=False, differentiable=False, fused=None):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
                         capturable=capturable, differentiable=differentiable, fused=fused,
                         decoupled_weight_decay=True)  # fmt: skip

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


def _step_dtype():
    return tallow.float64 if tallow.get_default_dtype() == tallow.float64 else tallow.float32


_fused = _C._adam_step


def adam(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, foreach=None, capturable=False,
         differentiable=False, fused=None, grad_scale=None, found_inf=None, has_complex=False,
         decoupled_weight_decay=False, *, amsgrad, beta1, beta2, lr, weight_decay, eps, maximize):  # fmt: skip
    """The step on lists; everything is changed in place."""
    if not differentiable:
        _fused(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs if amsgrad else None, state_steps,
               float(_number(lr)), float(_number(beta1)), float(_number(beta2)), float(eps),
               float(_number(weight_decay)), amsgrad, maximize, decoupled_weight_decay)  # fmt: skip
        return
    for i, p in enumerate(params):
        _adam_one(p, grads[i], exp_avgs[i], exp_avg_sqs[i], max_exp_avg_sqs[i] if amsgrad else None, state_steps[i],
                  beta1, beta2, lr, weight_decay, eps, maximize, decoupled_weight_decay)  # fmt: skip


def _adam_one(p, g, mean, square, largest, step, beta1, beta2, lr, weight_decay, eps, maximize, decoupled):
    """One parameter's step in tensor operations, so that gradients flow through it."""
    g = -g if maximize else g
    step += 1
    if weight_decay != 0:
        if decoupled:
            p.mul_(1 - lr * weight_decay)
        else:
            g = g + p * weight_decay
    if p.is_complex():
        g, mean, square = tallow.view_as_real(g), tallow.view_as_real(mean), tallow.view_as_real(square)
        largest = None if largest is None else tallow.view_as_real(largest)
        p = tallow.view_as_real(p)
    mean.add_((g - mean) * (1 - beta1))
    square.mul_(beta2).add_(g * g * (1 - beta2))
    correction1, correction2 = 1 - power(beta1, step), 1 - power(beta2, step)
    root = power(correction2, 0.5)
    if largest is not None:
        largest.copy_(tallow.maximum(largest.clone(), square))
        denominator = largest.sqrt() / root + eps
    else:
        denominator = square.sqrt() / root + eps
    p.add_(mean / denominator * (-(lr / correction1)))
