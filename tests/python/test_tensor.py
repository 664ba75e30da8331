"""The tensor type: wrappers and their identity, operators, indexing, attributes, conversion, hooks, functions, errors."""

import gc
import weakref

import numpy as np
import pytest

import tallow as torch


def test_values_and_text():
    x = torch.tensor([1.0, 2.0, 3.0])
    assert repr(x + x) == "tensor([2., 4., 6.])"
    assert repr(3 / x) == "tensor([3.0000, 1.5000, 1.0000])"
    assert (2 - x).tolist() == [1.0, 0.0, -1.0]
    assert repr((x.requires_grad_() * 2).sum()) == "tensor(12., grad_fn=<SumBackward0>)"


def test_wrapper_keeps_identity_and_state():
    p = torch.ones(2, requires_grad=True)
    g = torch.ones(2)
    g.tag = "kept"
    seen = weakref.ref(g)
    p.grad = g
    del g
    gc.collect()
    assert p.grad is p.grad
    assert p.grad.tag == "kept"
    again = p.grad
    del p
    gc.collect()
    assert again.tag == "kept"
    del again
    gc.collect()
    assert seen() is None


def test_cycle_through_dict_is_collected():
    x = torch.ones(1)
    x.itself = x
    seen = weakref.ref(x)
    del x
    gc.collect()
    assert seen() is None


def test_subclass_results_and_overrides():
    class Sub(torch.Tensor):
        pass

    s = torch.ones(2).as_subclass(Sub)
    assert type(s + 1) is Sub
    assert type(s.sum()) is Sub
    assert type(s[0]) is Sub

    class Named:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__

    assert torch.add(Named(), 1) == "add"
    assert torch.ones(2) + Named() == "add"
    assert torch.cat([Named(), torch.ones(2)]) == "cat"


def test_operators_in_place():
    x = torch.ones(2)
    same = x
    x += 1
    x *= torch.tensor(2.0)
    x -= 1
    x /= 2
    x **= 2
    assert x is same
    assert x.tolist() == [2.25, 2.25]
    assert (torch.tensor([5, 6]) // 2 % 2).tolist() == [0, 1]
    assert (~torch.tensor([5, 6])).tolist() == [-6, -7]


def test_indexing_against_numpy():
    n = np.arange(24).reshape(2, 3, 4)
    t = torch.from_numpy(n.copy())
    for index in (0, -1, (0, 1), slice(1, None), (slice(None), 1), (Ellipsis, 0), (None, 1), (0, slice(0, 3, 2)), ([0, 1], [1, 2]),
                  (slice(None), [0, 2]), (slice(None), np.array([True, False, True])), n > 5):  # fmt: skip
        key = torch.from_numpy(index) if isinstance(index, np.ndarray) else index
        assert t[key].tolist() == n[index].tolist()
    t[0, 1] = 7
    n[0, 1] = 7
    t[:, :, 0] = torch.tensor([1, 2, 3])
    n[:, :, 0] = [1, 2, 3]
    t[t > 20] = 0
    n[n > 20] = 0
    assert t.tolist() == n.tolist()


@pytest.mark.parametrize(
    "expression, kind, text",
    [
        ("x[5]", IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        ("x[0, 0, 0]", IndexError, "too many indices for tensor of dimension 2"),
        ("x[::-1]", ValueError, "step must be greater than zero"),
        ("x.item()", RuntimeError, "a Tensor with 6 elements cannot be converted to Scalar"),
        ("bool(x)", RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"),
        ("len(torch.tensor(1))", TypeError, "len() of a 0-d tensor"),
        ("x + 'a'", TypeError, "unsupported operand type(s) for +: 'Tensor' and 'str'"),
        ("torch.add(x, 'a')", TypeError, "add(): argument 'other' (position 2) must be Tensor, not str"),
        ("torch.relu(3)", TypeError, "relu(): argument 'input' (position 1) must be Tensor, not int"),
        ("torch.cat([x, 3])", TypeError, "expected Tensor as element 1 in argument 0, but got int"),
        ("torch.tensor([[1, 2], [3]])", ValueError, "expected sequence of length 2 at dim 1 (got 1)"),
        ("torch.tensor('a')", TypeError, "new(): invalid data type 'str'"),
        ("torch.tensor(None)", RuntimeError, "Could not infer dtype of NoneType"),
        ("torch.tensor([300], dtype=torch.uint8)", RuntimeError, "value cannot be converted to type uint8 without overflow"),
        ("x.requires_grad_().numpy()", RuntimeError,
         "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."),
    ],
)  # fmt: skip
def test_error_texts(expression, kind, text):
    with pytest.raises(kind) as caught:
        eval(expression, {"torch": torch, "x": torch.ones(2, 3)})
    assert str(caught.value) == text


def test_numpy_shares_memory_both_ways():
    a = np.zeros(3)
    t = torch.from_numpy(a)
    a[0] = 11
    assert t[0].item() == 11
    t.numpy()[1] = 5
    assert a[1] == 5
    assert (np.float64(2) * torch.ones(2)).dtype is torch.float32
    assert torch.from_dlpack(np.ones(3)).tolist() == [1, 1, 1]
    assert np.from_dlpack(torch.ones(2)).tolist() == [1, 1]


def test_hooks():
    x = torch.ones(3, requires_grad=True)
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.tolist()) or g * 2)
    (x * 3).sum().backward()
    assert seen == [[3.0] * 3]
    assert x.grad.tolist() == [6.0] * 3
    handle.remove()

    def fail(grad):
        raise KeyError("from the hook")

    y = x * 1
    y.register_hook(fail)
    with pytest.raises(KeyError, match="from the hook"):
        y.sum().backward()


def test_function():
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            ctx.save_for_backward(x)
            ctx.k = k
            return x * x * k

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 2 * x * grad * ctx.k, None

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = Scale.apply(x, 3)
    assert y.grad_fn.name() == "ScaleBackward"
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]
    (first,) = torch.autograd.grad(Scale.apply(x, 1).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert second.tolist() == [2.0, 2.0]


def test_nothing_leaks():
    def work():
        x = torch.ones(4, requires_grad=True)
        y = (x * 2)[1:3].sum()
        y.backward()
        torch.tensor([[1, 2], [3, 4]])[torch.tensor([0])].tolist()

    work()
    gc.collect()
    before = torch._C._memory_stats()
    for _ in range(20):
        work()
    gc.collect()
    after = torch._C._memory_stats()
    assert after["blocks"] == before["blocks"]
    assert after["structs"] == before["structs"]


def test_values_of_the_module():
    assert repr(torch.Size([2, 3]) + (1,)) == "torch.Size([2, 3, 1])"
    assert type(torch.Size([1, 2])[0:1]) is torch.Size
    assert repr(torch.device("cuda:1")) == "device(type='cuda', index=1)"
    assert repr(torch.iinfo(torch.int8)) == "iinfo(min=-128, max=127, dtype=int8)"
    assert torch.finfo(torch.float32).eps == 2**-23


def test_threads_draw_and_differentiate_at_once():
    import threading

    def work():
        for _ in range(50):
            x = torch.randn(100, 300, requires_grad=True)
            (x @ x.T).sum().backward()
            done.append(x.grad.shape)

    done = []
    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(done) == 100


def test_tensors_go_before_numbers_among_overloads():
    assert torch.max(torch.tensor([1, 5]), torch.tensor(3)).tolist() == [3, 5]


def test_shapes_of_equal_sizes_are_equal_sizes():
    a, b = torch.zeros(3, 4), torch.ones(3, 4)
    kept = a.shape
    assert kept == b.shape == (3, 4) and type(kept) is torch.Size and a.size() == kept
    a.resize_(4, 3)
    assert a.shape == (4, 3) and kept == (3, 4) and b.shape == (3, 4)
    assert [tuple(torch.empty(sizes).shape) for sizes in ((), (0,), (1,) * 6)] == [(), (0,), (1,) * 6]


def test_reductions_of_one_leaf():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.sum().item() == 10 and x.t().sum().item() == 10 and x[:, :1].sum().item() == 4
    assert x.mean().item() == 2.5 and x.argmax().item() == 3 and x.t().argmax().item() == 3 and x.prod().item() == 24
    assert x.sum((0, 1), keepdim=True).shape == (1, 1) and torch.zeros(0).sum().item() == 0
    assert x.var(unbiased=False).item() == 1.25 and x.var(correction=0).item() == 1.25 and x.std().item() == pytest.approx(1.29099, 1e-5)
    assert x.sum(dtype=torch.int32).dtype == torch.int32 and torch.tensor([True, True]).sum().item() == 2
