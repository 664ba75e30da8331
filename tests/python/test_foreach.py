"""Operators on lists of tensors."""

import pytest
import tallow as torch

CALLS = [
    ("add", lambda t: (t([[1.0, 2.0], [3.0]]), 2.0)),
    ("add", lambda t: (t([[1.0, 2.0], [3.0]]), t([[5.0, 6.0], [7.0]]))),
    ("mul", lambda t: (t([[1.0, 2.0], [3.0]]), [2.0, 3.0])),
    ("sub", lambda t: (t([[1.0, 2.0], [3.0]]), 2.0)),
    ("div", lambda t: (t([[1.0, 2.0], [3.0]]), 2.0)),
    ("lerp", lambda t: (t([[1.0, 2.0], [3.0]]), t([[5.0, 6.0], [7.0]]), 0.25)),
    ("addcmul", lambda t: (t([[1.0, 2.0], [3.0]]), t([[5.0, 6.0], [7.0]]), t([[1.0, 1.0], [2.0]]), 0.5)),
    ("addcdiv", lambda t: (t([[1.0, 2.0], [3.0]]), t([[5.0, 6.0], [7.0]]), t([[1.0, 1.0], [2.0]]), [0.5, 2.0])),
    ("maximum", lambda t: (t([[1.0, 2.0], [3.0]]), t([[5.0, 0.0], [7.0]]))),
    ("clamp_min", lambda t: (t([[1.0, 2.0], [3.0]]), 2.0)),
    ("minimum", lambda t: (t([[1.0, 2.0], [3.0]]), 2.0)),
    ("sqrt", lambda t: (t([[1.0, 4.0], [9.0]]),)),
    ("neg", lambda t: (t([[1.0, 4.0], [9.0]]),)),
    ("pow", lambda t: (t([[1.0, 4.0], [9.0]]), 2)),
]


def lists(module):
    return lambda rows: [module.tensor(row) for row in rows]


@pytest.mark.torch
@pytest.mark.parametrize("name, arguments", CALLS)
def test_they_are_pytorchs(name, arguments):
    import torch as reference

    results = []
    for module in (torch, reference):
        given = arguments(lists(module))
        results.append([t.tolist() for t in getattr(module, f"_foreach_{name}")(*given)])
        assert getattr(module, f"_foreach_{name}_")(*given)[0] is given[0][0]
        results[-1].append([t.tolist() for t in given[0]])
    assert results[0] == results[1]
    assert results[0][:-1] == results[0][-1]  # in place and not


def test_the_rest():
    tensors = [torch.ones(2), torch.ones(3)]
    torch._foreach_zero_(tensors)
    assert [t.sum().item() for t in tensors] == [0.0, 0.0]
    torch._foreach_copy_(tensors, [torch.full((2,), 3.0), torch.full((3,), 4.0)])
    assert [t.item() for t in torch._foreach_norm([torch.tensor([3.0, 4.0])])] == [5.0]
    with pytest.raises(RuntimeError, match="Tensor lists must have the same number of tensors, got 2 and 1"):
        torch._foreach_add(tensors, [torch.ones(2)])
    with pytest.raises(AttributeError, match="module 'torch' has no attribute '_foreach_nothing'"):
        torch._foreach_nothing
