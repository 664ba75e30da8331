"""Copies and orders of whole tensors (spec/arrange.toml), and small repairs beside them."""

import numpy as np
import pytest

import tallow as torch
from tallow.nn import functional as F


def array(*shape):
    return torch.arange(float(np.prod(shape, dtype=int))).view(shape)


@pytest.mark.parametrize("repeats", [(2, 3), (1, 1), (2, 1, 3), (0, 2), (1, 0)])
def test_repeat_and_its_gradient(repeats):
    x = array(2, 3).requires_grad_()
    y = x.repeat(*repeats)
    assert np.array_equal(y.detach().numpy(), np.tile(x.detach().numpy(), repeats)) and y.is_contiguous()
    assert type(y.grad_fn).__name__ == "RepeatBackward0"
    weights = array(*y.shape) + 1
    y.backward(weights)
    expected = torch.zeros(2, 3)
    for i in np.ndindex(*repeats):
        lead, rest = i[: len(i) - 2], i[len(i) - 2 :]
        part = weights[lead] if lead else weights
        expected += part[rest[0] * 2 : rest[0] * 2 + 2, rest[1] * 3 : rest[1] * 3 + 3]
    assert torch.equal(x.grad, expected)


def test_repeat_refuses():
    with pytest.raises(RuntimeError, match="can not be smaller than number of dimensions of tensor"):
        array(2, 3).repeat(2)
    with pytest.raises(RuntimeError, match=r"negative dimension -2: \[-2, 6\]"):
        array(2, 3).repeat(-1, 2)
    with pytest.raises(RuntimeError, match="Storage size calculation overflowed"):
        array(2).repeat(2**62, 2**62)
    assert torch.tensor(3).repeat(*[1] * 63).dim() == 63
    assert torch.zeros(2, 0).repeat(2**40, 3).shape == (2**41, 0)


def test_repeat_in_every_mode():
    x, t = array(3, 2), array(3, 2) + 5
    assert torch.equal(torch.func.jvp(lambda v: v.repeat(2, 2), (x,), (t,))[1], t.repeat(2, 2))
    assert torch.equal(torch.func.vmap(lambda v: v.repeat(2, 2))(x), torch.stack([v.repeat(2, 2) for v in x]))
    assert x.to("meta").repeat(2, 3).shape == (6, 6)
    y = x.double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda v: v.repeat(2, 1, 2) ** 2, (y,))


def test_tile_fills_up_with_ones():
    x = array(2, 3)
    for dims in ((2,), (2, 2), (2, 1, 2), ()):
        assert np.array_equal(torch.tile(x, dims).numpy(), np.tile(x.numpy(), dims))


def test_movedim():
    x = array(2, 3, 4)
    for source, to in ((0, 2), (-1, 0), ((0, 1), (2, 0)), ((), ())):
        assert np.array_equal(torch.movedim(x, source, to).numpy(), np.moveaxis(x.numpy(), source, to))
    assert torch.movedim(x, 0, 1).data_ptr() == x.data_ptr()
    with pytest.raises(RuntimeError, match=r"repeated dim in `source` \(\[0, 0\]\)"):
        torch.movedim(x, (0, 0), (0, 1))
    with pytest.raises(RuntimeError, match=r"repeated dim in `destination` \(\[1, 1\]\)"):
        torch.movedim(x, (0, 1), (1, 1))
    with pytest.raises(RuntimeError, match=r"source \(\[0\] dims\) should contain the same number of dims as destination \(\[1, 0\] dims\)"):
        torch.movedim(x, (0,), (1, 0))
    with pytest.raises(RuntimeError, match="repeated dim"):
        torch.movedim(torch.tensor(1), (0,) * 100, (0,) * 100)
    assert torch.movedim(torch.tensor(1), 0, 0).shape == ()


def test_diff():
    x = torch.tensor([[1.0, 4, 9, 7], [0, 2, 2, 5]])
    for n in range(5):
        for axis in (0, 1):
            assert np.array_equal(torch.diff(x, n, axis).numpy(), np.diff(x.numpy(), n, axis))
    assert np.array_equal(torch.diff(x, prepend=x, append=x[:, :1]).numpy(), np.diff(x, prepend=x, append=x[:, :1]))
    assert torch.diff(x > 3).tolist() == [[True, False, False], [False, False, True]]
    with pytest.raises(RuntimeError, match=r"input.size\(0\) = 2, but got tensor.size\(0\) = 3"):
        torch.diff(x, append=torch.ones(3, 1))
    with pytest.raises(RuntimeError, match="same dimension as input"):
        torch.diff(x, prepend=x[0])
    with pytest.raises(RuntimeError, match="order must be non-negative but got -1"):
        torch.diff(x, -1)


def test_stacks():
    v, x, s = array(3), array(2, 3), torch.tensor(2.0)
    for name, parts in (("hstack", (v, v)), ("hstack", (x, x)), ("hstack", (s, v)), ("vstack", (x, v)), ("vstack", (s, s)),
                        ("dstack", (v, v)), ("dstack", (x, x)), ("dstack", (s, s)), ("column_stack", (v, x.T)), ("column_stack", (s, s))):  # fmt: skip
        assert np.array_equal(getattr(torch, name)(parts).numpy(), getattr(np, name)([p.numpy() for p in parts])), name
        with pytest.raises(RuntimeError, match=f"{name} expects a non-empty TensorList"):
            getattr(torch, name)(())


def test_one_hot():
    at = torch.tensor([[0, 2], [1, 0]])
    assert np.array_equal(F.one_hot(at).numpy(), np.eye(3, dtype=np.int64)[at.numpy()])
    assert F.one_hot(at, 5).shape == (2, 2, 5) and F.one_hot(at[:0], 4).shape == (0, 2, 4)
    assert torch.equal(torch.func.vmap(lambda row: F.one_hot(row, 3))(at), F.one_hot(at, 3))
    for call, text in (
        (lambda: F.one_hot(at, 2), "Class values must be smaller than num_classes."),
        (lambda: F.one_hot(-at), "Class values must be non-negative."),
        (lambda: F.one_hot(at[:0]), "Can not infer total number of classes from empty tensor."),
        (lambda: F.one_hot(at.int()), "one_hot is only applicable to index tensor of type LongTensor."),
        (lambda: F.one_hot(at.to("meta")), "Tensor.item"),
        (lambda: torch.func.vmap(F.one_hot)(at), "explicit positive num_classes"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()


def test_diag_outer_and_counts():
    v, x = array(3), array(2, 3)
    assert np.array_equal(torch.diag(v, 1).numpy(), np.diag(v.numpy(), 1)) and torch.diag(x, 1).tolist() == [1, 5]
    assert torch.diag(x).data_ptr() != x.data_ptr()
    assert np.array_equal(torch.outer(v, array(2)).numpy(), np.outer(v, array(2)))
    with pytest.raises(RuntimeError, match="Got 0D"):
        torch.diag(torch.tensor(1.0))
    with pytest.raises(RuntimeError, match="Expected 1-D argument vec2, but got 2-D"):
        torch.outer(v, x)
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype long int, but got float instead"):
        torch.diag(torch.arange(3), out=torch.empty(0))
    assert torch.count_nonzero(x).item() == 5 and torch.count_nonzero(x, 0).tolist() == [1, 2, 2]
    assert torch.count_nonzero(x, (0, 1)).item() == 5


def test_round_refuses_what_pytorch_does():
    whole = torch.arange(3)
    assert torch.round(whole).tolist() == [0, 1, 2]
    with pytest.raises(NotImplementedError, match="\"round_vml_cpu\" not implemented for 'Long'"):
        torch.special.round(whole)
    with pytest.raises(NotImplementedError, match="\"round_cpu\" not implemented for 'Long'"):
        torch.round(whole, decimals=1)
    assert torch.special.round(torch.tensor([1.26]), decimals=1).item() == pytest.approx(1.3)


def test_roll_looks_at_dimensions_as_pytorch_does():
    with pytest.raises(IndexError, match="Dimension specified as 0 but tensor has no dimensions"):
        torch.roll(torch.tensor(1.0), 1, 0)
    assert torch.roll(torch.ones(0), 1, 5).shape == (0,)


def test_second_derivatives_of_prelu_are_zero_where_there_are_none():
    x, w = torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([0.25], requires_grad=True)
    gx, gw = torch.autograd.grad(F.prelu(x, w).sum(), (x, w), create_graph=True)
    assert [g.tolist() for g in torch.autograd.grad(gx.sum(), (x, w))] == [[0, 0], [1]]
    assert [g.tolist() for g in torch.autograd.grad(gw.sum(), (x, w))] == [[0, 1], [0]]


def test_unflatten():
    x = array(2, 6)
    assert x.unflatten(1, (3, -1)).shape == (2, 3, 2) and torch.unflatten(x, -1, (2, 3)).data_ptr() == x.data_ptr()
    assert torch.zeros(2, 0).unflatten(1, (0, 3)).shape == (2, 0, 3)
    for sizes, text in (((4, -1), r"Provided sizes \[4, -1\] don't multiply up to the size of dim 1 \(6\)"), ((5,), "multiply up"), ((0, -1), "multiply up"),
                        ((-1, -1), "only one dimension can be inferred"), ((), "non-empty"), ((-2, 3), "invalid shape dimension -2"),
                        ((2**62, 4), "multiply up")):  # fmt: skip
        with pytest.raises(RuntimeError, match=text):
            x.unflatten(1, sizes)
    with pytest.raises(IndexError, match="out of range"):
        x.unflatten(2, (1,))
    with pytest.raises(RuntimeError, match="can be any value and is ambiguous"):
        torch.zeros(2, 0).unflatten(1, (0, -1))
    with pytest.raises(RuntimeError, match="tensor has no dimensions"):
        torch.tensor(1.0).unflatten(0, (1,))


def test_checkpoint_takes_the_old_switch_for_random_states():
    import inspect

    from tallow.utils.checkpoint import checkpoint

    assert "preserve_rng_state" not in inspect.signature(checkpoint).parameters
    x = array(3).requires_grad_()
    checkpoint(torch.sin, x, use_reentrant=False, preserve_rng_state=False).sum().backward()
    assert torch.allclose(x.grad, x.detach().cos())


def test_normalize_and_rdiv():
    x = torch.tensor([[3.0, 4.0]])
    out = torch.empty(0)
    assert F.normalize(x, out=out) is out and torch.allclose(out, torch.tensor([[0.6, 0.8]]))
    assert x.__rdiv__(6.0).tolist() == [[2.0, 1.5]]
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        F.normalize(x.requires_grad_(), out=out)
