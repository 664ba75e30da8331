"""Deterministic samples of every public op of the table, made without PyTorch: for the tests of bits, of the C functions and of memory.

SAMPLES maps a public Python name to a function of a dtype that gives (args, kwargs) pairs. Numbers come from a small generator of our own
(not from tallow's), so that a defect in random numbers does not hide one elsewhere."""

import tallow as torch

SIZES = [(), (5,), (3, 4), (2, 3, 33), (1, 257), (0, 3)]


def numbers(shape, seed, low=-2.0, high=2.0, dtype=torch.float32):
    """Fixed numbers of [low, high): a linear congruential sequence, as exact multiples of 2^-16."""
    count = 1
    for size in shape:
        count *= size
    state, values = seed * 2654435761 % 2**32 or 1, []
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        values.append(low + (high - low) * ((state >> 16) / 65536))
    return torch.tensor(values, dtype=torch.float64).reshape(shape).to(dtype)


def unary(low=-2.0, high=2.0):
    def make(dtype):
        for seed, shape in enumerate(SIZES):
            yield (numbers(shape, seed, low, high, dtype),), {}
        yield (numbers((6, 4), 9, low, high, dtype).transpose(0, 1),), {}
        yield (numbers((8, 9), 11, low, high, dtype)[::2, 1::3],), {}

    return make


def binary(low=-2.0, high=2.0):
    def make(dtype):
        for seed, shape in enumerate(SIZES):
            yield (numbers(shape, seed, low, high, dtype), numbers(shape, seed + 50, low, high, dtype)), {}
        yield (numbers((3, 4), 7, low, high, dtype), numbers((4,), 8, low, high, dtype)), {}
        yield (numbers((3, 1), 7, low, high, dtype), numbers((1, 5), 8, low, high, dtype)), {}
        yield (numbers((6, 4), 9, low, high, dtype).transpose(0, 1), numbers((4, 6), 3, low, high, dtype)), {}

    return make


def of(*cases):
    """Cases given as functions of the dtype that return a tuple of arguments, or (arguments, keywords)."""

    def make(dtype):
        for case in cases:
            made = case(dtype)
            yield made if len(made) == 2 and isinstance(made[1], dict) else (made, {})

    return make


def n(dtype, *shape, seed=1, low=-2.0, high=2.0):
    return numbers(shape, seed, low, high, dtype)


def places(*values):
    return torch.tensor(values, dtype=torch.int64)


SAMPLES = {
    **{name: unary() for name in ("neg", "exp", "sigmoid", "tanh", "relu", "abs", "square", "clone", "zeros_like", "ones_like")},
    **{name: unary(0.1, 5.0) for name in ("log", "sqrt", "rsqrt", "reciprocal")},
    **{name: binary() for name in ("add", "sub", "mul", "eq", "ne", "lt", "le", "gt", "ge", "maximum", "minimum")},
    "div": binary(0.5, 3.0),
    "pow": binary(0.5, 3.0),
    "where": of(lambda d: (n(d, 3, 4) > 0, n(d, 3, 4, seed=2), n(d, 4, seed=3)), lambda d: (n(d, 5) > 0, n(d, 5, seed=2), n(d, seed=3))),
    "sum": of(lambda d: (n(d, 3, 4),), lambda d: (n(d, 3, 4, 70), 1), lambda d: (n(d, 3, 9000), -1, True), lambda d: (n(d, 20000),)),
    "mean": of(lambda d: (n(d, 3, 4),), lambda d: (n(d, 3, 4, 70), 1), lambda d: (n(d, 33, 5), 0, True)),
    "max": of(lambda d: (n(d, 3, 4),), lambda d: (n(d, 3, 40), 1), lambda d: (n(d, 3, 4), n(d, 3, 4, seed=4))),
    "argmax": of(lambda d: (n(d, 3, 4),), lambda d: (n(d, 3, 40), 1), lambda d: (n(d, 30, 4), 0, True)),
    "logsumexp": of(lambda d: (n(d, 3, 4), 1), lambda d: (n(d, 7, 300), -1, True)),
    "softmax": of(lambda d: (n(d, 3, 4), 1), lambda d: (n(d, 7, 300), -1), lambda d: (n(d, 7, 30), 0)),
    "log_softmax": of(lambda d: (n(d, 3, 4), 1), lambda d: (n(d, 7, 300), -1), lambda d: (n(d, 7, 30), 0)),
    "cumsum": of(lambda d: (n(d, 3, 40), 1), lambda d: (n(d, 30, 4), 0)),
    "reshape": of(lambda d: (n(d, 3, 4), (2, 6)), lambda d: (n(d, 3, 4).transpose(0, 1), (-1,))),
    "permute": of(lambda d: (n(d, 2, 3, 4), (2, 0, 1))),
    "transpose": of(lambda d: (n(d, 2, 3, 4), 0, 2)),
    "select": of(lambda d: (n(d, 3, 4), 1, 2)),
    "squeeze": of(lambda d: (n(d, 1, 3, 1),), lambda d: (n(d, 1, 3, 1), 0)),
    "unsqueeze": of(lambda d: (n(d, 3, 4), 1)),
    "flatten": of(lambda d: (n(d, 2, 3, 4), 1)),
    "mm": of(lambda d: (n(d, 3, 4), n(d, 4, 5, seed=2)), lambda d: (n(d, 33, 300), n(d, 300, 17, seed=2)), lambda d: (n(d, 1, 65), n(d, 65, 40, seed=2)),
             lambda d: (n(d, 70, 30).transpose(0, 1), n(d, 20, 70, seed=2).transpose(0, 1))),
    "bmm": of(lambda d: (n(d, 3, 4, 5), n(d, 3, 5, 6, seed=2))),
    "addmm": of(lambda d: (n(d, 5, seed=3), n(d, 3, 4), n(d, 4, 5, seed=2)), lambda d: ((n(d, 5, seed=3), n(d, 3, 4), n(d, 4, 5, seed=2)), {"beta": 0.5, "alpha": 2})),
    "matmul": of(lambda d: (n(d, 3, 4), n(d, 4)), lambda d: (n(d, 2, 3, 4), n(d, 4, 5, seed=2)), lambda d: (n(d, 6), n(d, 6, seed=2))),
    "conv2d": of(lambda d: (n(d, 2, 3, 8, 9), n(d, 4, 3, 3, 3, seed=2), n(d, 4, seed=3), 1, 1), lambda d: (n(d, 1, 4, 9, 9), n(d, 6, 2, 3, 2, seed=2), None, 2, 0, 1, 2)),
    "max_pool2d": of(lambda d: (n(d, 2, 3, 8, 9), 2), lambda d: (n(d, 1, 2, 7, 7), 3, 2, 1)),
    "cat": of(lambda d: ([n(d, 3, 4), n(d, 2, 4, seed=2)],), lambda d: ([n(d, 3, 4), n(d, 3, 1, seed=2)], 1)),
    "sort": of(lambda d: (n(d, 3, 40),), lambda d: (n(d, 30, 4), 0, True)),
    "nonzero": of(lambda d: (n(d, 3, 4) > 0,)),
    "gather": of(lambda d: (n(d, 3, 4), 1, torch.tensor([[0, 1], [2, 3], [3, 0]]))),
    "scatter_add": of(lambda d: (n(d, 3, 4), 1, torch.tensor([[0, 1], [2, 2], [3, 0]]), n(d, 3, 2, seed=2))),
    "index_select": of(lambda d: (n(d, 3, 4), 0, places(2, 0, 2))),
    "index_put": of(lambda d: (n(d, 5, 2), (places(0, 3, 3),), n(d, 3, 2, seed=2), True)),
    "nn.functional.linear": of(lambda d: (n(d, 3, 4), n(d, 5, 4, seed=2), n(d, 5, seed=3))),
    "nn.functional.mse_loss": of(lambda d: (n(d, 3, 4), n(d, 3, 4, seed=2)), lambda d: ((n(d, 3, 4), n(d, 3, 4, seed=2)), {"reduction": "sum"})),
    "nn.functional.nll_loss": of(lambda d: (n(d, 3, 4), places(0, 3, 1))),
    "nn.functional.cross_entropy": of(lambda d: (n(d, 3, 4), places(0, 3, 1)), lambda d: (n(d, 3, 4), n(d, 3, 4, seed=2, low=0.0, high=1.0))),
}  # fmt: skip


def function(name):
    """The callable of a public name."""
    found = torch
    for part in name.split("."):
        found = getattr(found, part)
    return found


def tensors(result):
    """The tensors in a nested result, in order."""
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, (list, tuple)):
        return [tensor for item in result for tensor in tensors(item)]
    return []
