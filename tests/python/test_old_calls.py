"""What programs of older years still say, and PyTorch still takes: numbers before their keywords, lists as tuples, old names."""

import subprocess
import sys
import warnings

import pytest

import tallow as torch


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_numbers_where_they_stood_once():
    a, b, v = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.eye(2), torch.tensor([1.0, 2.0])
    calls = [
        (a.add(2, b), a + 2 * b),
        (torch.add(a, 2, b), a + 2 * b),
        (a.clone().add_(-0.5, b), a - 0.5 * b),
        (a.sub(2, b), a - 2 * b),
        (a.clone().addcmul_(0.5, a, a), a + 0.5 * a * a),
        (torch.addcdiv(a, 2, b, a), a + 2 * b / a),
        (torch.addmm(2, a, 3, a, b), 2 * a + 3 * a),
        (torch.addmm(2, a, a, b), 3 * a),
        (a.addmm(2, 3, a, b), 5 * a),
        (a.clone().addmm_(0.5, 0.25, a, b), 0.75 * a),
        (torch.addmv(2, v, 3, b, v), 5 * v),
        (torch.addr(2, b, v, v), 2 * b + torch.outer(v, v)),
        (torch.baddbmm(1, a[None], 2, a[None], b[None]), 3 * a[None]),
        (torch.add(a, 2, b, out=torch.zeros(2, 2)), a + 2 * b),
    ]
    for i, (got, want) in enumerate(calls):
        assert torch.equal(got, want), i
    for wrong in (lambda: torch.add(a, b, 2), lambda: torch.add(a, 1, 2), lambda: torch.addcmul(a, b, 0.5, b), lambda: a.addmm(1, 2, 3, b)):
        with pytest.raises(TypeError):
            wrong()


def test_the_warning_of_the_first_old_call():
    program = "import tallow as t; x = t.ones(2); x.add_(2, x); x.sub_(2, x)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    assert "This overload of add_ is deprecated:\n\tadd_(Number alpha, Tensor other)\nConsider using one of the following signatures instead:" in out
    assert "\tadd_(Tensor other, *, Number alpha = 1)" in out and "of sub_" not in out


def test_range_counts_its_end():
    assert torch.range(0, 3).tolist() == [0, 1, 2, 3] and torch.range(0, 3).dtype == torch.float32
    assert torch.range(1, -1, -0.5).tolist() == [1.0, 0.5, 0.0, -0.5, -1.0]
    assert torch.range(0, 5, 2, dtype=torch.int64).tolist() == [0, 2, 4]
    with pytest.warns(UserWarning, match="torch.range is deprecated"):
        torch.range(0, 1)
    with pytest.raises(RuntimeError, match="upper bound and lower bound inconsistent with step sign"):
        torch.range(1, 0)


def test_names_that_are_gone():
    a = torch.eye(2)
    with pytest.raises(RuntimeError, match=r"removed. `torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`"):
        torch.lstsq(a, a)
    with pytest.raises(RuntimeError, match=r"X = torch.linalg.solve\(A, B\)"):
        a.solve(a)
    with pytest.raises(RuntimeError, match="L, V = torch.linalg.eigh"):
        torch.symeig(a)
    assert torch.ones(4).resize(2, 2).shape == (2, 2) and torch.ones(4).resize_as(a).shape == (2, 2)
    with pytest.raises(RuntimeError, match=r"requested resize to 3 \(3 elements in total\), but the given tensor has a size of 4"):
        torch.ones(4).resize(3)
    with pytest.warns(FutureWarning, match="`nn.Container` is deprecated"):
        assert len(list(torch.nn.Container(a=torch.nn.ReLU()).children())) == 1


def test_lists_that_are_taken_as_tuples():
    x = torch.arange(12).view(3, 4)
    with pytest.warns(UserWarning, match="Using a non-tuple sequence"):
        assert x[[[0, 1], [1, 2]]].tolist() == [1, 6]
    assert x[[torch.tensor([0]), torch.tensor([1])]].tolist() == [1]
    assert x[[slice(0, 1), 2]].tolist() == [2] and x[[[0]]].shape == (1, 4)
    assert x[[0, 1]].shape == (2, 4)
    y = x.clone()
    y[[[0, 1], [1, 2]]] = 50
    assert y[0, 1] == 50 and y[1, 2] == 50 and y.sum() == x.sum() + 100 - 7


def test_functions_are_not_made_and_called():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        made = Twice()
    with pytest.raises(RuntimeError, match="Legacy autograd function with non-static forward method is deprecated"):
        made(torch.ones(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Twice.apply(torch.ones(1, requires_grad=True)).item() == 2


def test_nodes_are_called_as_in_pytorch():
    x, t = torch.ones(2, 3, requires_grad=True), torch.zeros(2, 3)
    F = torch.nn.functional
    named = {
        "SumBackward0": x.sum(), "SumBackward1": x.sum(1), "MeanBackward0": x.mean(), "MeanBackward1": x.mean(0), "MaxBackward1": x.max(),
        "MaxBackward0": x.max(1).values, "ProdBackward1": x.prod(0), "StackBackward0": torch.stack([x, x]), "SqueezeBackward1": x[:, :1].squeeze(1),
        "MseLossBackward0": F.mse_loss(x, t), "SmoothL1LossBackward0": F.smooth_l1_loss(x, t), "LogsumexpBackward0": x.logsumexp(1),
        "GluBackward0": F.glu(x.t()[:2].t()), "TraceBackward0": x.trace(), "HuberLossBackward0": F.huber_loss(x, t),
    }  # fmt: skip
    for name, result in named.items():
        assert type(result.grad_fn).__name__ == name
    assert type(torch.atleast_1d(x * 1).grad_fn).__name__ == "MulBackward0" and F.celu(x).grad_fn.name() == "CeluBackward0"
    assert type(torch.stack([x]).sum(0).grad_fn.next_functions[0][0]).__name__ == "StackBackward0"


def test_operators_beside_other_objects():
    np = pytest.importorskip("numpy")
    t = torch.arange(6.0).view(2, 3)
    a = np.arange(6.0).reshape(2, 3)
    assert (t == a).all() and (a == t).all() and not (t == a + 1).any() and (t == np.array(["a"])) is False
    with pytest.raises(RuntimeError, match="The size of tensor a"):
        t == np.ones(4)  # noqa: B015
    for other in ([1, 2, 3], "a", None, (1,), {}):
        with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+=: 'Tensor' and"):
            t += other
    t += a
    assert t[1, 2] == 10
    assert list(reversed(torch.tensor([1, 2]))) == [2, 1] and torch.equal(reversed(t), t.flip(0))
    with pytest.raises(TypeError, match=r"equal\(\): argument 'other' \(position 2\) must be Tensor, not numpy.ndarray"):
        torch.equal(t, a)
    with pytest.raises(TypeError, match=r"add\(\): argument 'other' \(position 2\) must be Tensor, not numpy.ndarray"):
        torch.add(t, a)
    with pytest.raises(TypeError, match=r"relu\(\): argument 'input' \(position 1\) must be Tensor, not str"):
        torch.nn.functional.relu("a")


class Plus:
    def __radd__(self, other):
        return "taken"


def test_the_other_operand_may_take_an_addition_in_place():
    t = torch.ones(2)
    t += Plus()
    assert t == "taken"


def test_arrays_are_divided_by_tensors():
    np = pytest.importorskip("numpy")
    got = np.array([2.0, 3.0]) / torch.tensor([4.0, 2.0], dtype=torch.float64)
    assert isinstance(got, torch.Tensor) and got.tolist() == [0.5, 1.5]
