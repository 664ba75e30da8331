"""Reflected operators called by name, and what subclasses make of operators."""

import pytest
import tallow as torch

matrix = torch.arange(12.0).reshape(3, 4) + 1
turned = (torch.arange(12.0).reshape(4, 3) + 1).t()


@pytest.mark.parametrize("name", ["radd", "rmul", "rdiv", "rtruediv"])
def test_result_is_laid_out_like_the_first(name):
    assert getattr(torch.Tensor, f"__{name}__")(matrix, turned).stride() == (4, 1)


@pytest.mark.parametrize("name", ["rsub", "rmod", "rpow", "rfloordiv"])
def test_result_is_laid_out_like_the_other(name):
    assert getattr(torch.Tensor, f"__{name}__")(matrix, turned).stride() == (1, 3)


@pytest.mark.parametrize("name", ["rand", "ror", "rxor"])
def test_bitwise_result_is_laid_out_like_the_first(name):
    assert getattr(torch.Tensor, f"__{name}__")(matrix.int(), turned.int()).stride() == (4, 1)


def test_values():
    x, y = torch.tensor([2.0, 3.0]), torch.tensor([5.0, 7.0])
    assert x.__rsub__(y).tolist() == [3, 4] and x.__rsub__(10).tolist() == [8, 7]
    assert x.__rmod__(y).tolist() == [1, 1] and x.__rmod__(5).tolist() == [1, 2]
    assert x.__rpow__(y).tolist() == [25, 343] and x.__rpow__(2).tolist() == [4, 8]
    assert x.__rfloordiv__(y).tolist() == [2, 2]
    assert x.__rmatmul__(y).item() == 31
    assert x.__rdiv__(6).tolist() == [3, 2]
    assert x.int().__rlshift__(1).tolist() == [4, 8] and x.int().__rrshift__(64).tolist() == [16, 8]


def test_number_as_self():
    x = torch.tensor([2.0, 3.0])
    assert torch.Tensor.__rmod__(2.5, x).tolist() == [2, 0.5]
    assert torch.Tensor.__rpow__(2, x).tolist() == [4, 9]
    assert torch.Tensor.__rsub__(2, x) is NotImplemented
    with pytest.raises(AttributeError, match="'float' object has no attribute 'reciprocal'"):
        torch.Tensor.__rdiv__(2.5, x)
    with pytest.raises(TypeError):
        torch.Tensor.__radd__(2.5, x)
    with pytest.raises(TypeError, match="takes 2 positional arguments"):
        torch.Tensor.__rpow__(x)


@pytest.mark.parametrize("name", ["radd", "rsub", "rmul", "rdiv", "rmod", "rpow", "rfloordiv", "rmatmul", "rand", "rlshift"])
def test_what_is_no_operand(name):
    assert getattr(torch.Tensor, f"__{name}__")(torch.ones(2), "text") is NotImplemented


def test_operators_of_subclasses():
    class Own(torch.Tensor):
        def __radd__(self, other):
            return "own sum"

        def __mul__(self, other):
            return "own product"

    class Below(Own):
        pass

    plain = torch.ones(2)
    for x in (plain.as_subclass(Own), plain.as_subclass(Below)):
        assert 1 + x == "own sum" and plain + x == "own sum" and x * 2 == "own product"
        assert (x + 1).tolist() == [2, 2] and (2 * x).tolist() == [2, 2] and (3 - x).tolist() == [2, 2]

    class Mixin:
        def __sub__(self, other):
            return "mixin"

    class Mixed(Mixin, torch.Tensor):
        pass

    assert plain.as_subclass(Mixed) - 1 == "mixin" and (1 - plain.as_subclass(Mixed)).tolist() == [0, 0]


def test_methods_put_on_the_class_later(monkeypatch):
    class Own(torch.Tensor):
        pass

    x = torch.ones(2).as_subclass(Own)
    monkeypatch.setattr(Own, "__add__", lambda self, other: "late", raising=False)
    assert x + 1 == "late" and (torch.ones(2) + 1).tolist() == [2, 2]
    monkeypatch.setattr(torch.Tensor, "__rsub__", lambda self, other: "patched", raising=False)
    assert 1 - torch.ones(2) == "patched" and 1 - torch.nn.Parameter(torch.ones(2)) == "patched"


def test_overrides_see_the_method():
    seen = []

    class Watched(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func.__name__, args))
            return 5

    x = torch.ones(2).as_subclass(Watched)
    assert 2 - x == 5 and x.__rsub__(2) == 5 and 2 / x == 5 and 2**x == 5
    assert [name for name, _ in seen] == ["__rsub__", "__rsub__", "__rdiv__", "__rpow__"]
    assert all(args[0] is x and args[1] == 2 for _, args in seen)
