"""Tensors of more than 64 dimensions: they exist, and what takes a list of dimensions refuses them in PyTorch's words."""

import copy
import io

import pytest
import tallow as torch

SHAPE = [1] * 63 + [2, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.sum(0), lambda x: x.amax((0,)), lambda x: x.mean(-1), lambda x: x.any(), lambda x: x.all((0, 1)), lambda x: x.std(0),
        lambda x: x.max(0), lambda x: x.argmax(0), lambda x: x.logsumexp(0), lambda x: x.flip(0), lambda x: x.squeeze((0, 1)),
    ],
)  # fmt: skip
def test_lists_of_dimensions_are_refused(call):
    with pytest.raises(RuntimeError, match="only tensors with up to 64 dims are supported"):
        call(torch.ones(SHAPE))


def test_the_rest_works():
    x = torch.arange(4.0).reshape(SHAPE)
    assert x.dim() == 65 and x.sum().item() == 6 and x.max().item() == 3 and (x + x).view(4).tolist() == [0, 2, 4, 6]
    assert x.cumsum(-1).flatten().tolist() == [0, 1, 2, 5] and x.squeeze().shape == (2, 2)
    assert x.transpose(63, 64).flatten().tolist() == [0, 2, 1, 3] and x.permute(*range(65)).shape == x.shape
    assert x[0].dim() == 64 and x[None].dim() == 66 and x[(0,) * 65].item() == 0 and x[..., torch.tensor([1, 1])].dim() == 65
    assert torch.stack([x, x]).dim() == 66 and x.nonzero().shape == (3, 65) and x.repeat(*[1] * 65).shape == x.shape
    assert torch.ones(3).as_strided([1] * 128, [1] * 128).dim() == 128
    assert copy.deepcopy(x).flatten().tolist() == [0, 1, 2, 3]
    file = io.BytesIO()
    torch.save(x, file)
    file.seek(0)
    assert torch.load(file).shape == x.shape
    leaf = torch.ones(SHAPE, requires_grad=True)
    (leaf * 2).sum().backward()
    assert leaf.grad.flatten().tolist() == [2, 2, 2, 2]


def test_there_is_an_end():
    with pytest.raises(RuntimeError, match="at most 128 dimensions"):
        torch.ones([1] * 129)
    with pytest.raises(RuntimeError, match="at most 128 dimensions"):
        torch.ones([1] * 128)[None]
    with pytest.raises(RuntimeError, match="at most 128 dimensions"):
        torch.ones([1] * 100)[torch.zeros([1] * 60, dtype=torch.int64)]
    with pytest.raises(RuntimeError, match="at most 128 dimensions"):
        torch.ones([1] * 128).unfold(0, 1, 1)
    with pytest.raises(ValueError):
        torch.ones(SHAPE).numpy()


def test_views_that_add_a_dimension_to_as_many_as_there_can_be():
    for call in (lambda: torch.ones([1] * 128).unfold(0, 1, 1), lambda: torch.view_as_real(torch.ones([1] * 128, dtype=torch.complex64))):
        with pytest.raises(RuntimeError, match="tensors have at most 128 dimensions, got 129"):
            call()
