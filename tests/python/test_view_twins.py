"""What follows from every view: NAME_copy and NAME_scatter; and double backward through writes to views."""

import pytest
import tallow as torch

X = torch.arange(12.0).reshape(3, 4)
CALLS = [("permute", ((1, 0),)), ("transpose", (0, 1)), ("t", ()), ("squeeze", (0,)), ("unsqueeze", (1,)), ("select", (1, 2)),
         ("diagonal", (1,)), ("as_strided", ((2, 2), (1, 4), 3)), ("narrow", (1, 1, 2))]


@pytest.mark.parametrize("name, args", CALLS)
def test_copies_have_the_values_of_views_and_memory_of_their_own(name, args):
    view, copy = getattr(torch, name)(X, *args), getattr(torch, name + "_copy")(X, *args)
    assert torch.equal(view, copy) and copy.is_contiguous() and copy.data_ptr() != X.data_ptr() and copy._base is None
    out = torch.empty(0)
    assert getattr(torch, name + "_copy")(X, *args, out=out) is out and torch.equal(out, view)


def test_expand_view_and_unfold_are_copied_too():
    assert torch.expand_copy(X[:1], (2, 4)).stride() == (4, 1)
    assert torch.equal(torch.view_copy(X, (4, 3)), X.view(4, 3)) and torch.view_copy(X, torch.int32).dtype == torch.int32
    assert torch.equal(torch.unfold_copy(X, 1, 2, 1), X.unfold(1, 2, 1))
    parts = torch.split_with_sizes_copy(X, [1, 3], 1)
    assert [p.shape[1] for p in parts] == [1, 3] and all(p.is_contiguous() for p in parts)


@pytest.mark.parametrize("name, args", [("select", (1, 2)), ("slice", (0, 1, 3)), ("diagonal", ()), ("as_strided", ((2, 2), (4, 1), 1))])
def test_scatters_replace_the_view(name, args):
    x = X.to(torch.float64).clone().requires_grad_()
    part = getattr(torch, name + "_copy")(x, *args).detach()
    src = (part * 0 - 1).requires_grad_()
    scatter = getattr(torch, name + "_scatter")
    got = scatter(x, src, *args)
    assert torch.equal(getattr(torch, name + "_copy")(got, *args), src) and float(got.sum()) == float(x.sum() - part.sum() - part.numel())
    got.sum().backward()
    assert torch.equal(src.grad, torch.ones_like(src)) and float(x.grad.sum()) == x.numel() - part.numel()
    assert torch.autograd.gradgradcheck(lambda a, b: scatter(a, b, *args), (x, src))
    with pytest.raises(RuntimeError, match="expected src to have a size equal to the slice of self"):
        scatter(x, torch.zeros(9, dtype=torch.float64), *args)


def test_double_backward_through_a_write_to_a_view():
    x, y = torch.randn(3, 3, dtype=torch.float64, requires_grad=True), torch.randn(3, dtype=torch.float64, requires_grad=True)

    def write(x, y):
        z = x * x
        z[1] = y * y
        return z

    assert torch.autograd.gradgradcheck(write, (x, y))


def test_narrow_starts_where_a_tensor_says():
    assert torch.equal(X.narrow(1, torch.tensor(1), 2), X[:, 1:3])
    for start in (torch.tensor([1]), torch.tensor(1.0), torch.tensor(True)):
        with pytest.raises(RuntimeError, match="start must be an 0-dim integral Tensor."):
            X.narrow(1, start, 2)
