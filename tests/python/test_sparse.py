"""Sparse COO tensors: making, parts, arithmetic, products, gradients, optimisers, files."""

import copy
import importlib
import io
import pickle

import pytest
import tallow

AT = [[1, 0, 1, 1], [2, 0, 2, 0]]
VALUES = [3.0, 4.0, 5.0, 6.0]


def uncoalesced(torch=tallow, dtype=None):
    return torch.sparse_coo_tensor(torch.tensor(AT), torch.tensor(VALUES, dtype=dtype or torch.float32), (2, 3))


def dense(torch=tallow):
    return torch.tensor([[4.0, 0, 0], [6, 0, 8]])


def parts(t):
    return t._indices().tolist(), t._values().tolist(), tuple(t.shape), t.is_coalesced()


# --- making and taking apart ----------------------------------------------------------------------------------------


def test_parts():
    s = uncoalesced()
    assert s.is_sparse and s.layout == tallow.sparse_coo and s.shape == (2, 3) and s._nnz() == 4 and s.numel() == 6
    assert s.sparse_dim() == 2 and s.dense_dim() == 0 and not s.is_coalesced()
    assert parts(s) == (AT, VALUES, (2, 3), False)
    assert parts(s.coalesce()) == ([[0, 1, 1], [0, 0, 2]], [4.0, 6.0, 8.0], (2, 3), True)
    assert s.to_dense().equal(dense()) and s.coalesce().to_dense().equal(dense())
    c = s.coalesce()
    assert c.coalesce() is c and c.indices().tolist() == [[0, 1, 1], [0, 0, 2]] and c.values().tolist() == [4.0, 6.0, 8.0]


@pytest.mark.parametrize("dtype", [tallow.float16, tallow.bfloat16, tallow.float64, tallow.complex64, tallow.int8, tallow.int64, tallow.bool])
def test_dtypes(dtype):
    s = uncoalesced().to(dtype)
    assert s.dtype == dtype and s.is_sparse
    want = (dense() != 0) if dtype == tallow.bool else dense().to(dtype)
    assert s.to_dense().equal(want) and s.coalesce().to_dense().equal(want)


@pytest.mark.parametrize("shape,sparse_dim", [((3,), 1), ((2, 3), 1), ((2, 3), 2), ((2, 3, 4), 2), ((2, 0, 4), 2), ((), 0), ((0, 3), 2)])
def test_to_sparse_and_back(shape, sparse_dim):
    tallow.manual_seed(1)
    x = tallow.randn(shape) * (tallow.rand(shape) > 0.5)
    s = x.to_sparse(sparse_dim) if sparse_dim else x.to_sparse()
    assert s.is_coalesced() and s.sparse_dim() == sparse_dim and s.dense_dim() == len(shape) - sparse_dim
    assert s.to_dense().equal(x)
    assert (s + s).to_dense().equal(x + x) and (s * 2).to_dense().equal(x * 2)


def test_sizes_follow_from_indices():
    s = tallow.sparse_coo_tensor([[0, 4], [1, 0]], [[1.0, 2.0], [3.0, 4.0]])
    assert s.shape == (5, 2, 2) and s.dense_dim() == 1
    assert tallow.sparse_coo_tensor((2, 3))._nnz() == 0 and tallow.sparse_coo_tensor(size=(2, 3)).to_dense().equal(tallow.zeros(2, 3))
    assert tallow.sparse_coo_tensor([[0, 1]], [1, 2], dtype=tallow.float64).dtype == tallow.float64


def test_values_are_shared():
    values = tallow.ones(2)
    s = tallow.sparse_coo_tensor(tallow.tensor([[0, 1]]), values, (3,))
    values[0] = 7
    assert s.to_dense().tolist() == [7, 1, 0]
    assert s.detach()._values().data_ptr() == values.data_ptr() and s.clone()._values().data_ptr() != values.data_ptr()


REFUSED = [
    (lambda t: t.sparse_coo_tensor([[0, 1]], t.ones(3), (3,)), "indices and values must have same nnz, but got nnz from indices: 2, nnz from values: 3"),
    (lambda t: t.sparse_coo_tensor([[0, 1]], t.ones(2, 2), (3,)), "'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = 1, sparse_dim = 1, dense_dim = 1"),
    (lambda t: t.sparse_coo_tensor([[0, 1]], t.ones(2, 2), (3, 3)), "values has incorrect size, expected [2, 3], got [2, 2]"),
    (lambda t: uncoalesced(t).indices(), "Cannot get indices on an uncoalesced tensor, please call .coalesce() first"),
    (lambda t: uncoalesced(t).values(), "Cannot get values on an uncoalesced tensor, please call .coalesce() first"),
    (lambda t: uncoalesced(t) + t.ones(2, 3), "add(sparse, dense) is not supported. Use add(dense, sparse) instead."),
    (lambda t: uncoalesced(t) / t.ones(3), "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape [3] for divisor)"),
    (lambda t: t.mm(uncoalesced(t), t.ones(2, 2)), "addmm: Argument #3 (dense): Expected dim 0 size 3, got 2"),
    (lambda t: t.ones(2, 3).copy_(uncoalesced(t)), "copy_() between dense and sparse Tensors is not implemented! Found self type = torch.FloatTensor and src type = torch.sparse.FloatTensor"),
    (lambda t: uncoalesced(t).data_ptr(), "Cannot access data pointer of Tensor that doesn't have storage"),
    (lambda t: uncoalesced(t).numpy(), "can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first."),
    (lambda t: uncoalesced(t).untyped_storage(), "Cannot access storage of SparseTensorImpl"),
    (lambda t: uncoalesced(t).to_sparse(1), "to_sparse: conversion from Sparse to Sparse with sparse_dim argument !=self.sparse_dim() is not supported"),
    (lambda t: t.ones(2).coalesce(), "coalesce expected sparse coordinate tensor layout but got Strided"),
    (lambda t: t.ones(2).values(), "values expected sparse tensor layout but got Strided"),
    (lambda t: t.ones(2).is_coalesced(), "is_coalesced expected sparse coordinate tensor layout but got Strided"),
    (lambda t: uncoalesced(t).expand(2, 2, 3), "expand is unsupported for Sparse tensors"),
]  # fmt: skip


@pytest.mark.parametrize("call,text", REFUSED, ids=[text[:40] for _, text in REFUSED])
def test_refusals(call, text):
    with pytest.raises(Exception) as error:
        call(tallow)
    assert str(error.value) == text


@pytest.mark.torch
@pytest.mark.parametrize("call,text", REFUSED, ids=[text[:40] for _, text in REFUSED])
def test_refusals_are_pytorchs(call, text):
    import torch

    with pytest.raises(Exception) as wanted:
        call(torch)
    with pytest.raises(type(wanted.value)) as error:
        call(tallow)
    assert str(error.value) == str(wanted.value)


@pytest.mark.parametrize("index", [-1, 5, 2**62])
def test_indices_outside_are_refused_when_used(index):
    with pytest.raises(RuntimeError, match="negative index|size is inconsistent with indices"):
        tallow.sparse_coo_tensor([[0, index]], [1.0, 2.0], (3,), check_invariants=True)
    s = tallow.sparse_coo_tensor([[0, index]], [1.0, 2.0], (3,))
    for use in (lambda: s.to_dense(), lambda: s.coalesce(), lambda: tallow.ones(3) + s, lambda: tallow.ones(3).add_(s), lambda: s * tallow.ones(3)):
        with pytest.raises(RuntimeError, match="negative index|size is inconsistent with indices"):
            use()
    matrix = tallow.sparse_coo_tensor([[0, 0], [0, index]], [1.0, 2.0], (3, 3))
    for use in (lambda: matrix @ tallow.ones(3, 2), lambda: matrix @ tallow.ones(3), lambda: matrix @ matrix, lambda: tallow.ones(3, 3) @ matrix):
        with pytest.raises(RuntimeError, match="negative index|size is inconsistent with indices"):
            use()


def test_what_has_no_sparse_form_names_itself():
    s = uncoalesced().coalesce()
    for name in "exp cos logical_not cumsum_ max argmax sort view softmax softplus".split():
        with pytest.raises((NotImplementedError, TypeError)) as error:
            call = getattr(s, name, None) or getattr(tallow.nn.functional, name)
            call(s) if name == "softplus" else call(0) if name in ("cumsum_", "softmax") else call(6) if name == "view" else call()
        assert isinstance(error.value, TypeError) or "'SparseCPU' backend" in str(error.value)
    for use in (lambda: s.data_ptr(), lambda: s.tolist(), lambda: s.resize_(3), lambda: s.set_(tallow.ones(2)), lambda: tallow.ones(2).set_(s),
                lambda: s.fill_(1), lambda: s.__dlpack__(), lambda: s.apply_(abs), lambda: tallow.exp(tallow.ones(2, 3), out=s),
                lambda: tallow.zeros(2, 3).masked_fill_(s.bool(), 1), lambda: tallow.stack([s, tallow.ones(2, 3)]), lambda: s.as_strided((2,), (1,)),
                lambda: s.to("meta"), lambda: s.pow(0), lambda: s.matrix_exp(), lambda: tallow.add(s, s, out=tallow.ones(2, 3)), lambda: s.unbind(0)[0].view(1)):  # fmt: skip
        with pytest.raises((RuntimeError, NotImplementedError, BufferError, TypeError)):
            use()


def test_every_op_survives_a_sparse_tensor():
    """Each is refused or works: none reads memory that a sparse tensor does not have."""
    import samples

    known = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, ZeroDivisionError, MemoryError)
    for op in samples.table():
        if samples.function(op) is None:
            continue
        for values in samples.samples(op, tallow.float32)[:2]:
            for place, value in enumerate(values):
                if not isinstance(value, tallow.Tensor) or value.is_sparse or value.dim() == 0:
                    continue
                given = [v.clone() if isinstance(v, tallow.Tensor) else v for v in values]
                given[place] = given[place].to_sparse()
                try:
                    samples.call(op, given)
                except known:
                    pass


# --- arithmetic, shapes, printing: as PyTorch ------------------------------------------------------------------------

FORMS = {
    "coalesced": lambda t: uncoalesced(t).coalesce(),
    "repeated": uncoalesced,
    "slices": lambda t: t.sparse_coo_tensor(t.tensor([[1, 0, 1]]), t.arange(9.0).reshape(3, 3), (2, 3)),
    "nothing": lambda t: t.sparse_coo_tensor((2, 3)),
    "double": lambda t: uncoalesced(t, t.float64),
    "integers": lambda t: t.sparse_coo_tensor(t.tensor(AT), t.tensor([1, 2, 3, 4]), (2, 3)),
}
CALLS = {
    "add": lambda t, s: s + s, "add alpha": lambda t, s: t.add(s, s.coalesce(), alpha=2), "sub": lambda t, s: s - s.coalesce(),
    "dense plus": lambda t, s: t.ones(2, 3) + s, "dense minus": lambda t, s: t.ones(2, 3).double().sub(s, alpha=3),
    "dense add_": lambda t, s: t.ones(2, 3, dtype=t.float64).add_(s, alpha=2), "mul": lambda t, s: s * s, "times": lambda t, s: 3 * s * 2.5,
    "mul dense": lambda t, s: s * t.arange(6.0).reshape(2, 3), "mul row": lambda t, s: t.arange(3.0) * s, "div": lambda t, s: s / 4,
    "neg": lambda t, s: -s, "abs": lambda t, s: s.abs(), "sin": lambda t, s: s.sin(), "relu": lambda t, s: t.relu(s), "pow": lambda t, s: s.pow(2),
    "sum": lambda t, s: s.sum(), "sum 0": lambda t, s: t.sparse.sum(s, 0), "sum 1": lambda t, s: t.sparse.sum(s, 1), "sum -1": lambda t, s: s.sum(-1),
    "sum all": lambda t, s: t.sparse.sum(s, (0, 1)), "sum dtype": lambda t, s: t.sparse.sum(s, dtype=t.float64),
    "clone": lambda t, s: s.clone(), "detach": lambda t, s: s.detach(), "to": lambda t, s: s.to(t.float64),
    "zeros_like": lambda t, s: t.zeros_like(s), "zero_": lambda t, s: s.clone().zero_(), "mul_": lambda t, s: s.clone().mul_(2), "add_": lambda t, s: s.clone().add_(s),
    "unsqueeze": lambda t, s: s.unsqueeze(0), "select": lambda t, s: s[1], "select -1": lambda t, s: s.select(1, 2),
    "cat": lambda t, s: t.cat([s, s]), "cat 1": lambda t, s: t.cat([s, s.coalesce()], 1), "stack": lambda t, s: t.stack([s, s]),
    "index_select": lambda t, s: s.index_select(0, t.tensor([1, 0])).coalesce(), "index_select 1": lambda t, s: s.index_select(1, t.tensor([2, 2, 0])).coalesce(),
    "mask": lambda t, s: t.arange(6).reshape(2, 3).to(s.dtype).sparse_mask(s), "coalesce": lambda t, s: s.coalesce(), "dense": lambda t, s: s.to_dense(),
    "dense dtype": lambda t, s: s.to_dense(t.float64),
}  # fmt: skip
MATRIX_CALLS = {
    "t": lambda t, s: s.t(), "transpose": lambda t, s: s.transpose(0, 1), "permute": lambda t, s: s.permute(1, 0), "T": lambda t, s: s.T,
    "mm": lambda t, s: t.mm(s, t.arange(12).reshape(3, 4).to(s.dtype)), "matmul": lambda t, s: s @ t.arange(6).reshape(3, 2).to(s.dtype),
    "mv": lambda t, s: s @ t.arange(3).to(s.dtype), "dense mm": lambda t, s: t.arange(4).reshape(2, 2).to(s.dtype) @ s,
    "sparse.mm": lambda t, s: t.sparse.mm(s, t.arange(12).reshape(3, 4).to(s.dtype)), "spspmm": lambda t, s: t.sparse.mm(s, s.t()),
    "addmm": lambda t, s: t.sparse.addmm(t.ones(2, 4, dtype=s.dtype), s, t.arange(12).reshape(3, 4).to(s.dtype), beta=2, alpha=3),
    "spmm": lambda t, s: t.spmm(s, t.arange(12).reshape(3, 4).to(s.dtype)),
}  # fmt: skip


def agree(got, want):
    assert got.is_sparse == want.is_sparse and str(got.dtype) == str(want.dtype) and tuple(got.shape) == tuple(want.shape)
    if not want.is_sparse:
        assert got.tolist() == pytest.approx(want.tolist()) if want.dim() < 2 else got.flatten().tolist() == pytest.approx(want.flatten().tolist())
        return
    assert got._indices().tolist() == want._indices().tolist()
    assert got._values().flatten().tolist() == pytest.approx(want._values().flatten().tolist())


@pytest.mark.torch
@pytest.mark.parametrize("form", FORMS)
def test_calls_as_pytorch(form):
    import torch

    for name, call in {**CALLS, **({} if form == "slices" else MATRIX_CALLS)}.items():
        try:
            want = call(torch, FORMS[form](torch))
        except (RuntimeError, NotImplementedError):
            continue
        try:
            agree(call(tallow, FORMS[form](tallow)), want)
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.torch
@pytest.mark.parametrize("form", FORMS)
def test_texts_are_pytorchs(form):
    import torch

    for change in (lambda s: s, lambda s: s.coalesce(), lambda s: s.half(), lambda s: s.bool(), lambda s: s.double().requires_grad_(),
                   lambda s: s.double().requires_grad_() * 2):  # fmt: skip
        assert repr(change(FORMS[form](tallow))) == repr(change(FORMS[form](torch)))


def test_text():
    assert repr(uncoalesced().double()) == (
        "tensor(indices=tensor([[1, 0, 1, 1],\n                       [2, 0, 2, 0]]),\n       values=tensor([3., 4., 5., 6.]),\n"
        "       size=(2, 3), nnz=4, dtype=torch.float64, layout=torch.sparse_coo)"
    )
    assert "values=tensor([], size=(0,))" in repr(tallow.sparse_coo_tensor((2, 3)))


# --- products ---------------------------------------------------------------------------------------------------------


def random_sparse(m, n, share, dtype=tallow.float32):
    x = tallow.randn(m, n).to(dtype) * (tallow.rand(m, n) < share)
    return x, x.to_sparse()


@pytest.mark.parametrize("dtype", [tallow.float32, tallow.float64, tallow.float16, tallow.bfloat16, tallow.complex64, tallow.int32, tallow.int64])
def test_products(dtype):
    tallow.manual_seed(3)
    scale = 1 if dtype.is_floating_point or dtype.is_complex else 5
    x, s = random_sparse(33, 40, 0.1, tallow.float32)
    x, s = (x * scale).to(dtype), (s * scale).to(dtype)
    y = (tallow.randn(40, 19) * scale).to(dtype)
    tolerance = {tallow.float16: 2e-2, tallow.bfloat16: 2e-1}.get(dtype, 1e-4)
    tallow.testing.assert_close(s @ y, x @ y, atol=tolerance, rtol=tolerance)
    tallow.testing.assert_close(y.t() @ s.t(), y.t() @ x.t(), atol=tolerance, rtol=tolerance)
    tallow.testing.assert_close(s @ y[:, 0], x @ y[:, 0], atol=tolerance, rtol=tolerance)
    twice = (s + s.transpose(0, 1).transpose(0, 1) * 2)  # no longer coalesced
    tallow.testing.assert_close(twice @ y, 3 * x @ y, atol=6 * tolerance, rtol=tolerance)
    product = tallow.sparse.mm(s, s.t())
    assert product.is_sparse
    tallow.testing.assert_close(product.to_dense(), x @ x.t(), atol=4 * tolerance, rtol=tolerance)


def test_products_do_not_depend_on_threads():
    tallow.manual_seed(4)
    _, s = random_sparse(700, 500, 0.2)
    y, threads = tallow.randn(500, 64), tallow.get_num_threads()
    results = []
    for n in (1, 2, 5):
        tallow.set_num_threads(n)
        results.append(s @ y)
    tallow.set_num_threads(threads)
    assert all(r.equal(results[0]) for r in results)


def test_strided_indices_and_expanded_values():
    at = tallow.tensor([[0, 1], [2, 3], [2, 3]]).t()
    s = tallow.sparse_coo_tensor(at, tallow.ones(1).expand(3), (3, 4))
    want = tallow.zeros(3, 4).index_put_((at[0], at[1]), tallow.ones(3), accumulate=True)
    assert s.to_dense().equal(want) and s.coalesce().to_dense().equal(want) and (s @ tallow.eye(4)).equal(want)
    assert (tallow.zeros(3, 4).t().contiguous().t() + s).equal(want)


# --- gradients --------------------------------------------------------------------------------------------------------


def test_gradients_of_parts():
    at, values = tallow.tensor(AT), tallow.tensor(VALUES, dtype=tallow.float64, requires_grad=True)
    weights = tallow.arange(6.0, dtype=tallow.float64).reshape(2, 3)

    def loss(function):
        return tallow.autograd.gradcheck(lambda v: function(tallow.sparse_coo_tensor(at, v, (2, 3))), (values,))

    assert loss(lambda s: (s.to_dense() * weights).sum())
    assert loss(lambda s: s.coalesce().values() ** 2)
    assert loss(lambda s: (s @ weights.t()) ** 2)
    assert loss(lambda s: tallow.sparse.mm(s, weights.t()) ** 2)
    assert loss(lambda s: tallow.sparse.sum(s, 0).to_dense() ** 2)
    assert loss(lambda s: tallow.sparse.sum(s))
    assert loss(lambda s: (s * weights).to_dense() ** 2)
    assert loss(lambda s: (weights + s) ** 2)
    assert loss(lambda s: tallow.sparse.mm(s, s.t()).to_dense())
    assert loss(lambda s: tallow.sparse.softmax(s, 1).to_dense() * weights)
    assert tallow.autograd.gradgradcheck(lambda v: (tallow.sparse.mm(tallow.sparse_coo_tensor(at, v, (2, 3)), weights.t()) ** 2).sum(), (values,))


def test_gradcheck_takes_sparse_tensors():
    s = uncoalesced().double().coalesce().requires_grad_()
    m = tallow.randn(3, 2, dtype=tallow.float64, requires_grad=True)
    assert tallow.autograd.gradcheck(tallow.sparse.mm, (s, m), masked=True)
    assert tallow.autograd.gradcheck(lambda x: x.to_dense(), (s,), masked=True)
    assert tallow.autograd.gradcheck(lambda x: tallow.sparse.log_softmax(x, 1), (s,), masked=True)


def test_gradients_of_a_sparse_leaf_are_sparse():
    s = uncoalesced().coalesce().requires_grad_()
    m = tallow.ones(3, 2, requires_grad=True)
    tallow.sparse.mm(s, m).sum().backward()
    assert s.grad.is_sparse and s.grad.to_dense().tolist() == [[2, 0, 0], [2, 0, 2]] and not m.grad.is_sparse
    tallow.sparse.mm(s, m).sum().backward()
    assert s.grad.to_dense().tolist() == [[4, 0, 0], [4, 0, 4]]
    s.grad = None
    s.sum().backward()
    assert not s.grad.is_sparse


def embedding():
    module = tallow.nn.Embedding(5, 2, sparse=True)
    return module, lambda *at: (module(tallow.tensor(at)) * tallow.arange(2.0)).sum()


def test_embedding():
    module, loss = embedding()
    loss(1, 1, 3).backward()
    grad = module.weight.grad
    assert parts(grad) == ([[1, 1, 3]], [[0, 1], [0, 1], [0, 1]], (5, 2), False)
    loss(0, 1).backward()  # merged as PyTorch merges: a walk along both lists
    assert module.weight.grad.is_sparse and module.weight.grad.to_dense().tolist() == [[0, 1], [0, 3], [0, 0], [0, 1], [0, 0]]
    (loss(2) + module.weight.sum()).backward()
    assert not module.weight.grad.is_sparse and module.weight.grad.tolist() == [[1, 2], [1, 4], [1, 2], [1, 2], [1, 1]]
    loss(2).backward()
    assert module.weight.grad.tolist()[2] == [1, 3]
    module.zero_grad(set_to_none=False)
    assert module.weight.grad.tolist() == [[0, 0]] * 5


def test_embedding_without_padding_and_with_nothing():
    weight = tallow.ones(4, 3, requires_grad=True)
    tallow.nn.functional.embedding(tallow.tensor([[1, 2], [0, 2]]), weight, padding_idx=2, sparse=True).sum().backward()
    assert weight.grad._indices().tolist() == [[1, 0]]
    weight.grad = None
    tallow.nn.functional.embedding(tallow.zeros(0, dtype=tallow.int64), weight, sparse=True).sum().backward()
    assert weight.grad._nnz() == 0 and weight.grad.shape == (4, 3)
    with pytest.raises(RuntimeError, match="scale_grad_by_freq not supported with sparse gradients"):
        tallow.nn.functional.embedding(tallow.tensor([1]), weight, scale_grad_by_freq=True, sparse=True).sum().backward()


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_embedding_bag(mode):
    at = tallow.tensor([[1, 1, 3], [0, 2, 1]])
    sparse = tallow.nn.EmbeddingBag(5, 2, sparse=True, mode=mode, padding_idx=2)
    dense = tallow.nn.EmbeddingBag(5, 2, mode=mode, padding_idx=2)
    dense.load_state_dict(sparse.state_dict())
    for module in (sparse, dense):
        (module(at) ** 2).sum().backward()
    assert sparse.weight.grad.is_sparse
    tallow.testing.assert_close(sparse.weight.grad.to_dense(), dense.weight.grad)
    with pytest.raises(ValueError, match="max mode does not support sparse weights"):
        tallow.nn.EmbeddingBag(5, 2, sparse=True, mode="max")(at)


# --- optimisers --------------------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": dict(lr=0.1), "momentum": dict(lr=0.1, momentum=0.9), "nesterov": dict(lr=0.1, momentum=0.9, nesterov=True),
    "maximize": dict(lr=0.1, maximize=True), "Adagrad": dict(lr=0.1, lr_decay=0.1), "SparseAdam": dict(lr=0.1),
}  # fmt: skip


def trained(torch, name, options):
    weight = torch.arange(10.0).reshape(5, 2).div(10).requires_grad_()
    optimizer = getattr(torch.optim, name if hasattr(torch.optim, name) else "SGD")([weight], **options)
    for at in ([1, 1, 3], [0, 3], [1], []):
        optimizer.zero_grad()
        (torch.nn.functional.embedding(torch.tensor(at, dtype=torch.int64), weight, sparse=True) ** 2).sum().backward()
        optimizer.step()
    return weight.detach().flatten().tolist()


@pytest.mark.torch
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_as_pytorch(name):
    assert trained(tallow, name, OPTIMIZERS[name]) == pytest.approx(trained(importlib.import_module("torch"), name, OPTIMIZERS[name]), rel=1e-6)


def test_only_rows_with_gradients_move():
    for name in ("SGD", "Adagrad", "SparseAdam"):
        module, loss = embedding()
        before = module.weight.detach().clone()
        optimizer = getattr(tallow.optim, name)(module.parameters(), lr=0.1)
        loss(1, 3).backward()
        optimizer.step()
        moved = (module.weight.detach() != before).any(1).tolist()
        assert moved == [False, True, False, True, False]


def test_optimizers_without_a_sparse_step_say_so():
    module, loss = embedding()
    loss(1).backward()
    for name, text in (("Adam", "Adam does not support sparse gradients, please consider SparseAdam instead"),
                       ("AdamW", "Adam does not support sparse gradients, please consider SparseAdam instead"),
                       ("RMSprop", "RMSprop does not support sparse gradients")):  # fmt: skip
        with pytest.raises(RuntimeError) as error:
            getattr(tallow.optim, name)(module.parameters(), lr=0.1).step()
        assert str(error.value) == text
    module.weight.grad = module.weight.grad.to_dense()
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients, please consider Adam instead"):
        tallow.optim.SparseAdam(module.parameters()).step()
    with pytest.raises(ValueError, match="SparseAdam requires dense parameter tensors"):
        tallow.optim.SparseAdam([uncoalesced().requires_grad_()])


# --- files and copies -----------------------------------------------------------------------------------------------------


def test_copies_and_files():
    for s in (uncoalesced(), uncoalesced().coalesce()):
        for other in (copy.deepcopy(s), copy.copy(s), pickle.loads(pickle.dumps(s))):
            assert parts(other) == parts(s)
        file = io.BytesIO()
        tallow.save({"s": s, "at": s._indices()}, file)
        for weights_only in (True, False):
            file.seek(0)
            assert parts(tallow.load(file, weights_only=weights_only)["s"]) == parts(s)


def test_a_file_cannot_hold_indices_outside():
    file = io.BytesIO()
    tallow.save(tallow.sparse_coo_tensor([[0, 9]], [1.0, 2.0], (3,)), file)
    file.seek(0)
    with pytest.raises(RuntimeError, match="size is inconsistent with indices"):
        tallow.load(file)


@pytest.mark.torch
def test_files_are_pytorchs():
    import torch

    for one, other in ((tallow, torch), (torch, tallow)):
        for s in (uncoalesced(one), uncoalesced(one).coalesce()):
            file = io.BytesIO()
            one.save([s], file)
            file.seek(0)
            assert parts(other.load(file)[0]) == parts(s)


def test_module_with_a_sparse_buffer():
    module = tallow.nn.Linear(2, 2)
    module.register_buffer("graph", uncoalesced().coalesce())
    other = tallow.nn.Linear(2, 2)
    other.register_buffer("graph", tallow.sparse_coo_tensor((2, 3)))
    other.load_state_dict(module.state_dict())
    assert parts(other.graph) == parts(module.graph) and copy.deepcopy(module).graph.is_sparse
    assert module.double().graph.dtype == tallow.float64


# --- failed allocations ------------------------------------------------------------------------------------------------------


def _train():
    weight = tallow.ones(5, 2, requires_grad=True)
    optimizer = tallow.optim.SparseAdam([weight])
    for _ in range(2):
        tallow.nn.functional.embedding(tallow.tensor([1, 1, 3]), weight, sparse=True).sum().backward()
    optimizer.step()


FAILING = {
    "make": lambda: tallow.sparse_coo_tensor(AT, VALUES), "coalesce": lambda: uncoalesced().coalesce(), "dense": lambda: uncoalesced().to_dense(),
    "to_sparse": lambda: dense().to_sparse(1), "add": lambda: uncoalesced() + uncoalesced().coalesce(), "dense add": lambda: dense() + uncoalesced(),
    "mul": lambda: uncoalesced() * uncoalesced(), "mm": lambda: uncoalesced() @ tallow.ones(3, 2), "spspmm": lambda: uncoalesced() @ uncoalesced().t(),
    "sum": lambda: tallow.sparse.sum(uncoalesced(), 0), "cat": lambda: tallow.cat([uncoalesced(), uncoalesced()], 1), "select": lambda: uncoalesced()[1],
    "index_select": lambda: uncoalesced().index_select(1, tallow.tensor([2, 0])), "mask": lambda: dense().sparse_mask(uncoalesced()),
    "in place": lambda: uncoalesced().mul_(2).add_(uncoalesced()).zero_(), "text": lambda: repr(uncoalesced()), "train": _train,
    "gradient": lambda: tallow.sparse.mm(uncoalesced().requires_grad_(), tallow.ones(3, 2, requires_grad=True)).sum().backward(),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_each_allocation_may_fail(name):
    from test_failures import fail_each

    assert fail_each(FAILING[name]) > 3
