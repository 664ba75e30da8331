"""The cost of a call: every elementwise and view op of the table on 4 elements, as a multiple of `a + b` timed in the same run.

    python bench/small.py            # the slowest first; exit status 1 if one costs more than twice an add
    python bench/small.py 'where|view'

The ops and their arguments come from spec/: tensors of 4 elements, a number for each Scalar. Views, whose arguments have to fit, are
listed here; one that is missing is an error."""

import pathlib
import re
import sys
import timeit

import tallow as torch

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "gen"))

from check import check_table  # noqa: E402
from emit_bindings import places  # noqa: E402
from parse import parse_table  # noqa: E402

LIMIT = 2.0
A, B, C = (torch.tensor(values) for values in ([0.5, 0.75, 0.25, 0.125], [0.25, 0.5, 0.75, 0.5], [1.0, 2.0, 0.5, 0.25]))
M = A.view(2, 2)
Z = torch.view_as_complex(torch.tensor([[0.5, 0.25], [1.0, 2.0], [0.5, 1.0], [2.0, 0.5]]))
TENSORS = {"float": [A, B, C], "int": [torch.tensor([1, 2, 3, 4]), torch.tensor([2, 1, 2, 1]), torch.tensor([1, 1, 1, 1])]}
MASK = A > 0.3

VIEWS = { # None: no public function (x[1:3] stands for slice), or several views a call
    "alias": (A,), "view": (A, (2, 2)), "view.dtype": (A, torch.int32), "permute": (M, (1, 0)), "transpose.int": (M, 0, 1), "t": (M,),
    "select.int": (M, 0, 1), "slice.Tensor": None, "diagonal": (M,), "expand": (A, (3, 4)), "view_as": (A, M), "squeeze": (A,),
    "squeeze.dim": (A, 0), "squeeze.dims": (A, (0,)), "unsqueeze": (A, 0), "as_strided": (A, (2, 2), (2, 1)), "unfold": (A, 0, 2, 1),
    "view_as_real": (Z,), "view_as_complex": (M,), "real": (Z,), "imag": (Z,), "detach": (A,),
    "split.Tensor": None, "split_with_sizes": None, "unbind.int": None, "unsafe_split.Tensor": None, "unsafe_split_with_sizes": None,
}  # fmt: skip
OTHERS = {
    "x[1]": lambda: A[1], "x[1:3]": lambda: A[1:3], "x[:, 0]": lambda: M[:, 0], "x[None]": lambda: A[None], "x[...]": lambda: A[...],
    "x * 2.5": lambda: A * 2.5, "x ** 2": lambda: A**2, "2 - x": lambda: 2 - A, "x += y": lambda: A.add_(0.0),
    "reshape": lambda: A.reshape(2, 2), "flatten": lambda: M.flatten(), "clone": lambda: A.clone(), "detach": lambda: A.detach(),
    "x.T": lambda: M.T, "x.mT": lambda: M.mT,
}  # fmt: skip


def table():
    """The ops of spec/."""
    ops, errors = parse_table(ROOT / "spec")
    errors += check_table(ops)
    if errors:
        raise errors[0]
    return ops


def function(op):
    """The public callable of an op: the function of torch if there is one, else the method, else that of another namespace."""
    spaces = dict(places(op))
    space = next((s for s in ("torch", "Tensor") if s in spaces), next(iter(spaces), None))
    if space is None:
        return None
    owner = torch if space == "torch" else torch.Tensor if space == "Tensor" else torch
    for part in (space.split(".") if space not in ("torch", "Tensor") else []):
        owner = getattr(owner, part)
    return getattr(owner, spaces[space])


def arguments(op):
    """What an elementwise op is called with, or None where no dtype fits."""
    words = op.words("dtypes")
    tensors = iter(TENSORS["float" if not words or {"float", "float32"} & set(words) else "int"])
    values = []
    for i, param in enumerate(op.params):
        if param.keyword_only:
            break
        if param.type.is_tensor:
            condition = i == 0 and op.columns.get("promote") == "where"
            values.append(MASK if condition else next(tensors))
        elif param.has_default:
            break
        else:
            values.append(0.5 if param.type.base in ("Scalar", "float") else 1)
    return values


def calls(ops):
    """{name: call} of every public elementwise and view op, and of what else people write in their place."""
    found = dict(OTHERS)
    for op in ops:
        if op.kind not in ("elementwise", "view") or "inplace" in op.flags:
            continue
        if not op.public:
            continue
        values = VIEWS[op.key] if op.kind == "view" else arguments(op)
        f = function(op) if values else None
        if f:
            found[op.key] = bound(f, tuple(values))
    return found


def bound(f, values):
    if len(values) == 1:
        (a,) = values
        return lambda: f(a)
    if len(values) == 2:
        a, b = values
        return lambda: f(a, b)
    return lambda: f(*values)


def cost(call, rounds=9, number=4000):
    """Seconds of one call: the least over the rounds."""
    return min(timeit.repeat(call, repeat=rounds, number=number)) / number


def main(only=""):
    rows = [(cost(call), name) for name, call in calls(table()).items() if re.search(only, name)]
    add = cost(lambda: A + B, 30)
    rows.sort(reverse=True)
    print(f"{'a + b':24} {add * 1e9:7.1f} ns")
    for seconds, name in rows:
        print(f"{name:24} {seconds * 1e9:7.1f} ns  {seconds / add:5.2f}{'  above the limit' if seconds > LIMIT * add else ''}")
    above = sum(seconds > LIMIT * add for seconds, _ in rows)
    print(f"{len(rows)} calls, {above} above {LIMIT:g} adds")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
