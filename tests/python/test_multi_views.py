"""The pieces that split, chunk and unbind give are views of which PyTorch refuses in-place writes under autograd."""

import pytest
import tallow as torch

TEXT = (
    "Output {} of {} is a view and is being modified inplace. This view is the output of a function that returns multiple views. Such "
    "functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one."
)
MAKERS = {
    "split": (lambda y: y.split(2)[1], 1, "Split"),
    "split with sizes": (lambda y: y.split([1, 3])[1], 1, "SplitWithSizes"),
    "chunk": (lambda y: y.chunk(2)[0], 0, "Split"),
    "unbind": (lambda y: y.unbind()[2], 2, "Unbind"),
    "iteration": (lambda y: list(y)[3], 3, "Unbind"),
    "a view of a piece": (lambda y: y.split(2)[1][0], 0, "Select"),
}


def base():
    return torch.ones(4, requires_grad=True) * 1


@pytest.mark.parametrize("name", MAKERS)
def test_writes_are_refused(name):
    make, number, node = MAKERS[name]
    piece = make(base())
    with pytest.raises(RuntimeError) as caught:
        piece.mul_(2)
    assert str(caught.value) == TEXT.format(number, node)
    assert piece.tolist() in ([1.0, 1.0], [1.0, 1.0, 1.0], 1.0)


def test_without_gradients_pieces_are_written():
    x = torch.ones(4)
    for piece in (x.split(2)[0], x.unbind()[3], x.chunk(2)[1]):
        piece.mul_(2)
    assert x.tolist() == [2.0, 2.0, 2.0, 4.0]
    y = base()
    first = y.split(2)[0]
    with torch.no_grad():
        first.mul_(2)
    assert y.tolist() == [2.0, 2.0, 1.0, 1.0]


def test_a_piece_after_a_write_to_its_base():
    y = base()
    piece = y.split(2)[1]
    y.mul_(2)
    with pytest.raises(RuntimeError, match="Output 1 of Split is a view and its base or another view of its base has been modified inplace"):
        piece.grad_fn
    assert "grad_fn=<Invalid>" in repr(piece)
    with pytest.raises(RuntimeError, match="multiple views"):
        piece * 2
    torch.ones(2) + 1  # no error stays behind


def test_names_and_gradients():
    x = torch.arange(4.0, requires_grad=True)
    pieces = x.split(2)
    assert pieces[1].grad_fn.name() == "SplitBackward0" and pieces[1].output_nr == 1
    assert x.unbind()[1].grad_fn.name() == "UnbindBackward0"
    (pieces[0] * pieces[1]).sum().backward()
    assert x.grad.tolist() == [2.0, 3.0, 0.0, 1.0]


def test_all_pieces_have_one_node():
    x = torch.arange(12.0).reshape(3, 4).requires_grad_()
    for pieces in (x.split(2, 1), x.split([1, 3], 1), x.unbind(), x.chunk(2, 1), torch.unsafe_split(x, 2)):
        assert all(piece.grad_fn is pieces[0].grad_fn for piece in pieces)
        assert [piece.output_nr for piece in pieces] == list(range(len(pieces)))
        assert pieces[0].grad_fn.next_functions[0][0].variable is x


@pytest.mark.parametrize("make", [lambda x: x.split(2, 1), lambda x: x.split([1, 0, 3], 1), lambda x: x.unbind(1), lambda x: x.chunk(3),
                                  lambda x: torch.unsafe_chunk(x, 2, 1), lambda x: x.tensor_split(3, 1)])  # fmt: skip
def test_derivatives(make):
    x = torch.arange(12.0, dtype=torch.float64).reshape(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(make, (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda t: [piece * piece for piece in make(t)], (x,))
    for i in range(len(make(x))):  # pieces without a gradient count as zeros
        if make(x)[i].numel() == 0:
            continue
        (gradient,) = torch.autograd.grad(make(x)[i].sum(), x)
        place = torch.zeros_like(gradient)
        make(place)[i].fill_(1)
        assert torch.equal(gradient, place)


def test_vmap_and_meta():
    x = torch.arange(24.0).reshape(2, 3, 4)
    for make in (lambda t: t.split(2, 1), lambda t: t.unbind(0), lambda t: t.chunk(2, -1), lambda t: t.split([1, 2])):
        batched = torch.vmap(make)(x)
        assert [b.tolist() for b in batched] == [torch.stack(parts).tolist() for parts in zip(*map(make, x))]
        on_meta = make(x[0].to("meta"))
        assert [(m.shape, m.stride()) for m in on_meta] == [(p.shape, p.stride()) for p in make(x[0])]
        gradient = torch.func.vmap(torch.func.grad(lambda t, make=make: sum((p * p).sum() for p in make(t))))(x)
        assert torch.equal(gradient, 2 * x)


def test_concatenation_in_a_batch():
    x = torch.arange(6.0).reshape(2, 3)
    assert torch.vmap(lambda t: torch.cat([t, torch.zeros(1), t[:1]]))(x).tolist() == [[0, 1, 2, 0, 0], [3, 4, 5, 0, 3]]
    assert torch.vmap(lambda t: torch.stack([t, t * 2], -1))(x).shape == (2, 3, 2)
    assert torch.vmap(lambda t: torch.cat([torch.zeros(0), t[None]], -1))(x).shape == (2, 1, 3)
    with pytest.raises(RuntimeError, match="zero-dimensional tensor"):
        torch.vmap(lambda t: torch.cat([t, t]))(torch.ones(3))


def test_many_pieces():
    count = 70000  # beyond 16 bits
    x = torch.ones(count, requires_grad=True)
    pieces = x.unbind()
    assert len(pieces) == count and pieces[-1].output_nr == count - 1
    (pieces[0] + 3 * pieces[-1]).backward()
    assert x.grad[0] == 1 and x.grad[-1] == 3 and x.grad.sum() == 4


def test_a_base_that_comes_to_require_a_gradient():
    x = torch.zeros(4)
    piece = x.split(2)[1]
    x.requires_grad_()
    assert piece.requires_grad
    with pytest.raises(RuntimeError, match="is being modified inplace"):
        piece.mul_(2)


def test_hooks_and_retained_gradients():
    x = torch.ones(4, requires_grad=True)
    a, b = (x * 1).chunk(2)
    a.retain_grad()
    b.register_hook(lambda grad: grad * 10)
    (a * 2 + b).sum().backward()
    assert a.grad.tolist() == [2, 2] and x.grad.tolist() == [2, 2, 10, 10]
    node = x.split(2)[0].grad_fn
    assert node(torch.ones(2), None).tolist() == [1, 1, 0, 0]
    with pytest.raises(TypeError, match="expected 2 arguments, got 1"):
        node(torch.ones(2))


def test_copies_and_out():
    x = torch.arange(6.0).reshape(2, 3)
    pieces = torch.split_copy(x, 2, 1)
    pieces[0].zero_()
    assert x.sum() == 15 and pieces[1].is_contiguous()
    out = [torch.empty(2, 1), torch.empty(2, 2)]
    assert torch.split_with_sizes_copy(x, [1, 2], 1, out=out) is None
    assert torch.equal(torch.cat(out, 1), x)
    with pytest.raises(RuntimeError, match=r"split_copy_Tensor_out\(\) expected an out= argument of size 2, got size 1"):
        torch.split_copy(x, 2, 1, out=out[:1])
    with pytest.raises(TypeError, match="argument 'out' must be tuple of Tensors, not Tensor"):
        torch.unbind_copy(x, out=x)


def test_unsafe_pieces_are_written_without_the_base_knowing():
    y = base()
    first, second = torch.unsafe_chunk(y, 2)
    assert not first._is_view()
    first.mul_(2)
    assert y.tolist() == [2, 2, 1, 1] and y.grad_fn.name() == "MulBackward0"


def test_inference_mode():
    with torch.inference_mode():
        pieces = torch.ones(4).split(2)
    assert all(piece.is_inference() for piece in pieces)


def test_tensor_split_gives_ordinary_views():
    y = base()
    y.tensor_split(2)[1].mul_(2)
    assert y.tolist() == [1.0, 1.0, 2.0, 2.0]
