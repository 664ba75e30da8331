"""out=: which dtypes, overlaps and sizes each op takes, in PyTorch's words; and calls whose arguments fit no overload."""

import pytest
import tallow as torch

X = torch.arange(1.0, 13.0).reshape(3, 4)
INDEX = torch.tensor([[0, 1], [1, 0]])
EXPANDED = "more than one element of the written-to tensor refers to a single memory location"
SHARED = "some elements of the input tensor and the written-to tensor refer to a single memory location"


@pytest.mark.parametrize("call, text", [
    (lambda o: torch.gather(X, 1, INDEX, out=o), "Expected out tensor to have dtype float, but got double instead"),
    (lambda o: torch.mm(X, X.t(), out=o), "Expected out tensor to have dtype float, but got double instead"),
    (lambda o: torch.topk(X, 2, out=(o, torch.empty(0, dtype=torch.int64))), "Expected out tensor to have dtype float, but got double"),
    (lambda o: torch.sort(X, out=(torch.empty(0), o)), "Expected out tensor to have dtype long int, but got double instead"),
    (lambda o: torch.argmax(X, 0, out=o), "Expected out tensor to have dtype long int, but got double instead"),
    (lambda o: torch.amax(X, 0, out=o), "Expected the dtype for input and out to match, but got Float for input's dtype and Double for out's"),
    (lambda o: torch.index_select(X, 0, INDEX[0], out=o), r"index_select\(\): self and result must have the same scalar type"),
    (lambda o: torch.masked_select(X, X > 2, out=o), r"masked_select\(\): self and result must have the same scalar type"),
    (lambda o: torch.multinomial(X, 2, out=o), "multinomial expects Long tensor out, got: Double"),
    (lambda o: torch.permute_copy(X, (1, 0), out=o), "Expected out tensor to have dtype float, but got double instead"),
    (lambda o: torch.any(X, out=o), "any only supports bool tensor for result, got: Double"),
    (lambda o: torch.all(X, 0, out=o), "all only supports bool tensor for result, got: Double"),
    (lambda o: torch.quantile(X, 0.5, out=o), r"quantile\(\) out tensor must be same dtype as the input tensor"),
    (lambda o: torch._C._nn.gelu(X, out=o), "Found dtype Double but expected Float"),
    (lambda o: torch.linalg.inv(X[:, :3], out=o), "Expected out tensor to have dtype float, but got double instead"),
    (lambda o: torch.ceil(X, out=o), "Found dtype Double but expected Float"),
    (lambda o: torch.neg(X, out=o), "Found dtype Double but expected Float"),
    (lambda o: torch.where(X > 2, X, X, out=o), "Expected out type to be Float but got Double"),
    (lambda o: torch.heaviside(X, X, out=o), "heaviside is not yet implemented for tensors with different dtypes."),
    (lambda o: torch.signbit(X, out=o), "signbit does not support non-boolean outputs."),
    (lambda o: torch.take_along_dim(X, INDEX[:1], 1, out=o), "Expected out tensor to have dtype float, but got double instead"),
    (lambda o: torch.linalg.cholesky(torch.eye(3), out=o), "Expected out tensor to have dtype float, but got double instead"),
    (lambda o: torch.linalg.vecdot(X, X, out=o), "linalg.vecdot: Expected out of dtypeFloat but found Double"),
])
def test_exact_dtypes(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(torch.empty(0, dtype=torch.float64))


def test_dtypes_that_results_are_cast_to():
    out = torch.empty(0, dtype=torch.float64)
    assert torch.cat([X, X], out=out) is out and out.dtype == torch.float64 and torch.equal(out[3:].float(), X)
    with pytest.raises(TypeError, match="input types can't be cast to the desired output type Int"):
        torch.cat([X, X], out=torch.empty(0, dtype=torch.int32))
    assert torch.sum(X, 0, out=torch.empty(0, dtype=torch.int32)).tolist() == [15, 18, 21, 24]
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype float, but got double instead"):
        torch.diag(X, out=torch.empty(0, dtype=torch.float64))
    with pytest.raises(RuntimeError, match=r"mean.dtype_out\(\): input types can't be cast to the desired output type Int"):
        torch.mean(X, 0, out=torch.empty(0, dtype=torch.int32))


def test_elementwise_results_are_cast_to_what_can_hold_them():
    assert torch.exp(X, out=torch.empty(0, dtype=torch.float64)).dtype == torch.float64
    assert torch.abs(torch.tensor([3 + 4j]), out=torch.empty(0, dtype=torch.float64)).tolist() == [5]  # unlike that of real numbers
    assert torch.clamp(X, torch.zeros(1), out=torch.empty(0, dtype=torch.float64)).dtype == torch.float64
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        torch.exp(X, out=torch.empty(0, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="fft expects a complex output tensor, but got Float"):
        torch.fft.fft(X, out=torch.empty(0))


def test_factories_make_what_out_is():
    assert torch.arange(0, 3, 1.0, out=torch.empty(0, dtype=torch.int16)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="step must be nonzero"):
        torch.arange(0, 64, 0.5, out=torch.empty(0, dtype=torch.int64))
    with pytest.raises(RuntimeError, match=r"dtype Float does not match dtype of out parameter \(Double\)"):
        torch.zeros(3, dtype=torch.float32, out=torch.empty(0, dtype=torch.float64))
    assert torch.zeros(2, 3, out=torch.ones(3).expand(2, 3)).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("call, shape", [
    (lambda o: torch.cat([X, X], out=o), (6, 4)), (lambda o: torch.index_select(X, 0, INDEX[0], out=o), (2, 4)),
    (lambda o: torch.bernoulli(X / 20, out=o), (3, 4)), (lambda o: torch.masked_select(X, X > 6, out=o), (6,)),
    (lambda o: torch.gather(X, 1, INDEX, out=o), (2, 2)), (lambda o: torch.cumsum(X, 0, out=o), (3, 4)),
])
def test_expanded_results_are_refused(call, shape):
    with pytest.raises(RuntimeError, match=EXPANDED):
        call(torch.zeros(1).expand(shape))


@pytest.mark.parametrize("call", [
    lambda x: torch.cat([x, x], out=x), lambda x: torch.cat([x, x], out=x[1:]), lambda x: torch.gather(x, 1, INDEX, out=x.view(-1)[:4].view(2, 2)),
    lambda x: torch.index_select(x, 0, torch.tensor([2, 1, 0]), out=x), lambda x: torch.masked_select(x, x > 0, out=x),
])
def test_results_that_share_memory_with_an_argument_are_refused(call):
    x = X.clone()
    with pytest.raises(RuntimeError, match=SHARED):
        call(x)
    assert torch.equal(x, X)


def test_two_numbers_are_no_tensor():
    with pytest.raises(TypeError, match=r"pow\(\) received an invalid combination of arguments - got \(int, int\), but expected one of:\n"
                       r" \* \(Tensor input, Tensor exponent, \*, Tensor out = None\)\n \* \(Number self, Tensor exponent"):
        torch.pow(2, 3)
    with pytest.raises(TypeError, match=r"remainder\(\) received an invalid combination of arguments - got \(int, int\)"):
        torch.remainder(2, 3)
    assert torch.add(2, 3).item() == 5


def test_linspace_between_tensors_and_of_integers():
    assert torch.linspace(torch.tensor(0.0), 1, 3).tolist() == [0, 0.5, 1]
    assert torch.linspace(0.9, 9.9, 7, dtype=torch.int64).tolist() == [0, 1, 3, 4, 6, 7, 9]
    assert torch.linspace(0, 1 + 2j, 3).tolist() == [0, 0.5 + 1j, 1 + 2j]
    with pytest.raises(RuntimeError, match=r"linspace\(\): inferred dtype c10::complex<float> can't be safely cast to passed dtype Float"):
        torch.linspace(0, 1j, 3, dtype=torch.float32)
    with pytest.raises(RuntimeError, match="linspace only supports 0-dimensional start and end tensors, but got start with 1 dimension"):
        torch.linspace(torch.zeros(2), 1, 2)
    with pytest.raises(TypeError, match=r"linspace\(\) received an invalid combination of arguments - got \(int, int, float\)"):
        torch.linspace(0, 1, 2.5)


def test_devices_keep_the_index_they_were_given():
    device = torch.device("cpu", 0)
    assert str(device) == "cpu:0" and device.index == 0 and repr(device) == "device(type='cpu', index=0)"
    assert device != torch.device("cpu") and device == torch.device("cpu:0") and hash(device) == hash(torch.device("cpu:0"))
    assert torch.zeros(1, device=device).device == torch.device("cpu")


@pytest.mark.parametrize("call, kind, text", [
    (lambda: torch.movedim(torch.zeros(2, 3, 4, 5, 6), (0, 4, -5), (1, 2, 3)), RuntimeError, r"repeated dim in `source` \(\[0, 4, -5\]\)"),
    (lambda: torch.roll(torch.zeros(5), ()), RuntimeError, "`shifts` required"),
    (lambda: torch.nn.functional.hardtanh(torch.zeros(1), 0.5, -0.5), ValueError, "min_val cannot be greater than max_val"),
    (lambda: torch.nn.functional.embedding(INDEX, torch.zeros(2)), RuntimeError, "'weight' must be 2-D"),
])
def test_texts(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
