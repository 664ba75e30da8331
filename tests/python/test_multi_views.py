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


def test_tensor_split_gives_ordinary_views():
    y = base()
    y.tensor_split(2)[1].mul_(2)
    assert y.tolist() == [1.0, 1.0, 2.0, 2.0]
