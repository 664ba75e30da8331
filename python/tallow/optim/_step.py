"""The optimisers whose step is an entry of spec/optim.toml: one mechanism for all of them."""

import ast
import functools
import operator

import tallow
from tallow import Tensor, _C
from tallow._number import power
from tallow.optim.optimizer import Optimizer, _run_closure, _without_grad

# What a group saved by an older version may lack.
_FLAGS = {"foreach": None, "fused": None, "maximize": False, "capturable": False, "differentiable": False, "amsgrad": False,
          "nesterov": False, "centered": False, "momentum": 0, "decoupled_weight_decay": False}  # fmt: skip
_CAPTURABLE = ["cuda", "xpu", "hpu", "privateuseone", "xla"]
_FUSED = ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]


def scalar_dtype():
    """The dtype of the numbers in an optimiser's state."""
    return tallow.float64 if tallow.get_default_dtype() == tallow.float64 else tallow.float32


def _number(value):
    return value.item() if isinstance(value, Tensor) else value


def check_lr(lr):
    """Refuses a learning rate below zero."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_settings(**settings):
    """Refuses settings below zero; names as messages spell them."""
    for name, value in settings.items():
        if not 0.0 <= value:
            raise ValueError(f"Invalid {name} value: {value}")


def check_betas(betas):
    """Refuses decay rates outside [0, 1)."""
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


class _OwnPower(ast.NodeTransformer):
    """a ** b becomes power(a, b)."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if not isinstance(node.op, ast.Pow):
            return node
        return ast.Call(ast.Name("power", ast.Load()), [node.left, node.right], [])


class Step:
    """An entry of the table: the names of its options, scalars and states, and its body."""

    def __init__(self, name):
        self.name = name
        options, scalars, states, self.conditions, self.body = _C._step_formula(name)
        self.options, self.scalars, self.states = (tuple(text.split()) for text in (options, scalars, states))
        self._code = None

    def begin(self, options):
        """(first values of the scalars, of the states)."""
        return _C._step_begin(self.name, tuple(options))

    def run(self, options, params, grads, states, scalars):
        """Steps in place. states and scalars: a list for each name; states that are None are made, and whether any was is returned."""
        return _C._step(self.name, tuple(options), params, grads, states, scalars)

    def run_on_tensors(self, options, params, grads, states, scalars):
        """The same step in tensor operations, so that gradients flow through it."""
        if self._code is None:
            tree = ast.fix_missing_locations(_OwnPower().visit(ast.parse(self.body)))
            self._code = compile(tree, f"<step of {self.name}>", "exec")
        _, values = self.begin(options)
        for i, (p, grad) in enumerate(zip(params, grads)):
            names = dict(zip(self.options, options))
            kept = {"param": p}
            first = 0
            for name, condition, some, value in zip(self.states, self.conditions, states, values):
                if condition >= 0 and not options[condition]:
                    continue
                if some[i] is None:
                    value = complex(value, value) if p.is_complex() else value
                    some[i], first = tallow.full_like(p, value, memory_format=tallow.preserve_format), 1
                kept[name] = some[i]
            views = {name: tallow.view_as_real(t) if t.is_complex() else t for name, t in kept.items()}
            names.update({name: t.clone() for name, t in views.items()}, first=first)
            names.update({name: some[i].item() for name, some in zip(self.scalars, scalars)})
            names["grad"] = tallow.view_as_real(grad) if grad.is_complex() else grad
            exec(self._code, _FUNCTIONS, names)
            for name, t in views.items():
                t.copy_(names[name])
            for name, some in zip(self.scalars, scalars):
                some[i].fill_(_number(names[name]))
        return True


def _max(a, b):
    if isinstance(b, Tensor):
        return b.clamp(min=a)
    return max(a, b)


def _where(condition, a, b):
    return tallow.where(condition, a, b)


_FUNCTIONS = {
    "fma": lambda a, b, c: a * b + c,
    "lerp": lambda a, b, w: a + (b - a) * w,
    "clamp": lambda x, low, high: tallow.clamp(x, low, high),
    "maximum": lambda a, b: tallow.maximum(a, b),
    "sqrt": lambda x: x.sqrt(),
    "abs": lambda x: x.abs(),
    "sign": lambda x: x.sign(),
    "where": _where,
    "max": _max,
    "power": power,
}


class SteppedOptimizer(Optimizer):
    """Base: a subclass names its entry (`step_name`), and where options are found that are not settings of their own (`parts`)."""

    step_name = ""
    parts = {"beta1": ("betas", 0), "beta2": ("betas", 1)}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "step_name" in cls.__dict__:
            cls._formula = Step(cls.step_name)
            names = cls._formula.options
            cls._settings = None if set(names) & set(cls.parts) else operator.itemgetter(*names)

    def __setstate__(self, state):
        super().__setstate__(state)
        known = self.defaults
        for group in self.param_groups:
            for name, value in _FLAGS.items():
                if name in known:
                    group.setdefault(name, value)
            for p in group["params"]:
                own = self.state.get(p, ())
                for name in self._formula.scalars if own else ():
                    if not isinstance(own[name], Tensor):
                        own[name] = tallow.tensor(float(own[name]), dtype=scalar_dtype())

    def _begin(self, p, group):
        """The state of a parameter before its first step; tensors are left to the step."""
        self._check_fused(p, group)
        scalars, _ = self._formula.begin(self._options(group))
        return {name: tallow.tensor(value, dtype=scalar_dtype()) for name, value in zip(self._formula.scalars, scalars)}

    @staticmethod
    def _check_fused(p, group):
        if group.get("fused") and not p.is_floating_point():
            raise RuntimeError(
                "`fused=True` requires all the params to be floating point Tensors of "
                f"supported devices: {_FUSED} but {p.dtype} and {p.device.type}"
            )

    def _step_sparse(self, p, grad, group):
        """The step of one parameter that has a sparse gradient; most optimisers have none."""
        if self.step_name in ("adam", "adamw"):
            raise RuntimeError("Adam does not support sparse gradients, please consider SparseAdam instead")
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")

    def _options(self, group):
        if self._settings:
            return self._settings(group)
        parts = self.parts
        return [group[name] if name in group else group[parts[name][0]][parts[name][1]] for name in self._formula.options]

    @_without_grad
    def step(self, closure=None):
        """One step; closure, if given, computes the loss again and returns it."""
        loss = None if closure is None else _run_closure(closure)
        formula, state = self._formula, self.state
        for group in self.param_groups:
            begin = functools.partial(self._begin, group=group) if formula.scalars else None
            params, grads, owns, states, scalars, fresh = _C._step_gather(
                self._step_sparse, group, group["params"], state, begin, formula.states, formula.scalars
            )
            if not params:
                continue
            if group.get("capturable"):
                raise AssertionError(
                    f"If capturable=True, params and state_steps must be on supported devices: {_CAPTURABLE}."
                )
            if fresh and group.get("fused"):
                for p in params:
                    self._check_fused(p, group)
            run = formula.run_on_tensors if group["differentiable"] else formula.run
            made = run(self._options(group), params, grads, states, scalars)
            for name, some in zip(formula.states, states) if made else ():
                if some[0] is not None:
                    for own, t in zip(owns, some):
                        own[name] = t
            if fresh and owns[0]:
                for p, own in zip(params, owns):
                    state[p] = own
        return loss


def check_fused(foreach, fused, differentiable):
    """The ways of computing a step; here they are one and the same."""
    if fused:
        if differentiable:
            raise RuntimeError("`fused` does not support `differentiable`")
        if foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
