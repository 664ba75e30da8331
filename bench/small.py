"""The cost of a call: every elementwise and view method on 4 elements, as a multiple of `a + b` timed in the same run.

    python bench/small.py            # the slowest first; exit status 1 if one costs more than twice an add
"""

import sys
import timeit

import tallow as torch

LIMIT = 2.0
A, B = torch.rand(4) + 0.5, torch.rand(4) + 0.5
M = torch.rand(2, 2)
MASK = A > 1

CALLS = {
    "sub": lambda: A - B, "mul": lambda: A * B, "div": lambda: A / B, "neg": lambda: -A, "pow": lambda: A**B,
    "exp": lambda: A.exp(), "log": lambda: A.log(), "sigmoid": lambda: A.sigmoid(), "tanh": lambda: A.tanh(),
    "relu": lambda: A.relu(), "abs": lambda: A.abs(), "sqrt": lambda: A.sqrt(), "eq": lambda: A == B, "lt": lambda: A < B,
    "where": lambda: torch.where(MASK, A, B), "mul number": lambda: A * 2.5, "pow number": lambda: A**2, "clone": lambda: A.clone(),
    "view": lambda: A.view(2, 2), "reshape": lambda: A.reshape(2, 2), "permute": lambda: M.permute(1, 0),
    "transpose": lambda: M.transpose(0, 1), "t": lambda: M.t(), "x[1]": lambda: A[1], "x[1:3]": lambda: A[1:3],
    "select": lambda: M.select(0, 1), "expand": lambda: A.expand(3, 4), "squeeze": lambda: A.squeeze(), "unsqueeze": lambda: A.unsqueeze(0),
    "add_": lambda: A.add_(B), "detach": lambda: A.detach(),
}  # fmt: skip


def cost(call, rounds=9, number=20000):
    """Seconds of one call: the least over the rounds."""
    return min(timeit.repeat(call, repeat=rounds, number=number)) / number


def main():
    add = cost(lambda: A + B)
    rows = sorted(((cost(call), name) for name, call in CALLS.items()), reverse=True)
    print(f"{'a + b':12} {add * 1e9:7.1f} ns")
    for seconds, name in rows:
        print(f"{name:12} {seconds * 1e9:7.1f} ns  {seconds / add:5.2f}")
    return 1 if rows[0][0] > LIMIT * add else 0


if __name__ == "__main__":
    sys.exit(main())
