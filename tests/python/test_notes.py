"""The beginners' notes that tallow comes from: programs made of their blocks (notes/), run by `tallow run`, print what PyTorch prints.

What they print is compared with what PyTorch 2.13 printed (notes/expected/, written by notes/record.py): exactly, but for losses in
full precision, which agree to 1e-6. ROWS then looks for what each feature of the notes is known to print."""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import tallow

HERE = pathlib.Path(__file__).parent / "notes"
PACKAGES = str(pathlib.Path(tallow.__file__).parents[1])
NAMES = sorted(p.stem for p in HERE.glob("*.py") if p.stem != "record")
NEEDS = {  # packages that a program imports besides torch
    "basics": ["matplotlib"], "creation": ["numpy"], "numpy_sharing": ["numpy"], "detach": ["numpy"], "numpy_scalars": ["numpy"],
    "linear_regression": ["numpy", "matplotlib", "sklearn"],
}  # fmt: skip
LOSSES = re.compile(r"(?:[Ll]oss|损失).*?: ?(.*)")  # lines whose numbers may differ in the last digits
NUMBER = re.compile(r"\d+\.\d{5,}(?:e[-+]\d+)?")
UNINITIALISED = re.compile(r"(t7: )tensor\([^()]*\)")


@functools.cache
def run(name):
    """What a program prints, and its warnings, under `tallow run`."""
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    path = os.pathsep.join(p for p in (PACKAGES, os.environ.get("PYTHONPATH")) if p)
    environment = dict(os.environ, PYTHONPATH=path, PYTHONIOENCODING="utf-8", MPLBACKEND="Agg")
    command = [sys.executable, "-m", "tallow", "run", str(HERE / f"{name}.py")]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def expected(name):
    return (HERE / "expected" / f"{name}.txt").read_text(encoding="utf-8")


def compare(name, got, wanted):
    """Line by line; numbers on lines about losses to 1e-6."""
    if name == "creation":
        got, wanted = (UNINITIALISED.sub(r"\1…", text) for text in (got, wanted))
    got_lines, wanted_lines = got.splitlines(), wanted.splitlines()
    assert len(got_lines) == len(wanted_lines), got
    for ours, theirs in zip(got_lines, wanted_lines):
        if LOSSES.search(theirs):
            assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
            for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs)):
                assert float(a) == pytest.approx(float(b), rel=1e-6, abs=1e-13), (ours, theirs)
        else:
            assert ours == theirs


@pytest.mark.parametrize("name", NAMES)
def test_prints_what_pytorch_printed(name):
    compare(name, run(name)[0], expected(name))


@pytest.mark.torch
def test_pytorch_prints_the_same_now():
    pytest.importorskip("torch")
    names = [name for name in NAMES if all(_there(package) for package in NEEDS.get(name, ()))]
    command = [sys.executable, str(HERE / "record.py"), *names]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600, env=dict(os.environ, PYTHONIOENCODING="utf-8"))
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    assert sorted(printed) == names
    for name, text in printed.items():
        compare(name, run(name)[0], text)


def _there(package):
    import importlib.util

    return importlib.util.find_spec(package) is not None


# Feature: (program, what it is known to print). A pattern where it starts with "re:".
ROWS = {
    1: ("basics", ["torch.Size([3])"]),
    2: ("creation", ["t1: 10, type: <class 'torch.Tensor'>", "t6: tensor([[11., 12., 13.],\n        [21., 22., 23.]])"]),
    3: ("creation", ["dtype=torch.int32)", "re:t5: tensor\\(\\[\\[[^()]*\\.\\]\\]\\)", "[21., 22., 23.]], dtype=torch.float64)"]),
    4: ("ranges_and_random", ["tensor([0, 2, 4, 6, 8])", "tensor([ 1.0000,  3.2500,  5.5000,  7.7500, 10.0000])"]),
    5: ("fill", ["t6: tensor([[5, 5, 5],\n        [5, 5, 5]])", "t7: tensor([[255, 255]", "t3: tensor([[1, 1],", "t4: tensor([[0., 0., 0.],"]),
    6: ("seeds", ["<class 'torch._C.Generator'> 22"]),
    7: ("ranges_and_random", ["t3 tensor([[0.3659, 0.7025, 0.3104],\n        [0.0097, 0.6577, 0.1947]])"]),
    8: ("ranges_and_random", ["t4 tensor([[-0.9844, -0.7609,  0.3241],\n        [-0.0135, -0.0168,  0.9916]])"]),
    9: ("ranges_and_random", ["t5 tensor([[0, 1, 3],\n        [2, 9, 7]])"]),
    10: ("indexing", ["t1: tensor([[3, 8, 2, 4, 8],\n        [3, 3, 2, 3, 7],\n        [3, 5, 3, 2, 4],\n        [7, 2, 2, 3, 5],\n"
                      "        [4, 5, 6, 2, 2]])"]),
    11: ("seeds", ["tensor([ 1.0302, -0.5073, -0.1017,  1.3587,", "tensor([ 0.3920,  0.0734, -0.0045,"]),
    12: ("dtypes", ["tensor([1., 2., 3.], dtype=torch.float16)", "tensor([1, 2, 3], dtype=torch.int16)",
                    "tensor([1, 2, 3], dtype=torch.int32)", "tensor([1., 2., 3.])\n", "tensor([1, 2, 3])\n"]),
    13: ("numpy_sharing", ["t1: tensor([11,  2,  3])\n    n1: [11  2  3]\n    n2: [1 2 3]",
                           "t1: tensor([100,   2,   3])\n    n1: [100   2   3]\n    t2: tensor([1, 2, 3])"]),
    14: ("numpy_sharing", ["value: 11, type: <class 'int'>"]),
    15: ("arithmetic", ["t5: tensor([0.1000, 0.2000, 0.3000])", "t6: tensor([-1, -2, -3])",
                        "result type Float can't be cast to the desired output type Long"]),
    16: ("products", ["t3: tensor([10, 40, 90])", "t3: tensor([[22, 28],\n        [49, 64]])"]),
    17: ("functions", ["张量求和: 21.0\n按照列求和: tensor([5., 7., 9.])\n按照行求和：tensor([ 6., 15.])",
                       "torch.return_types.max(\nvalues=tensor([4., 5., 6.]),\nindices=tensor([1, 1, 1]))"]),
    18: ("indexing", ["两个位置的元素: tensor([3, 4])", "共4个元素：tensor([[8, 2],\n        [3, 2]])", "tensor([[3, 2, 7],\n        [7, 2, 5]])",
                      "大于5的行数据: tensor([[4, 5, 6, 2, 2]])", "tensor([[8],\n        [7],\n        [4],\n        [5],\n        [2]])",
                      "大于5的元素：tensor([7])"]),
    19: ("indexing", ["t2: tensor([[[8, 1, 7, 5],\n         [1, 4, 5, 4],\n         [7, 5, 5, 4]],\n\n        [[9, 6, 4, 7],\n"
                      "         [1, 1, 5, 4],\n         [8, 7, 5, 2]]])"]),
    20: ("shapes", ["torch.Size([3, 2])", "torch.Size([4, 3, 2])", "torch.Size([4, 2, 3])", "tensor(99) tensor(99)"]),
    21: ("shapes", ["t3 is_contiguous: False", "view size is not compatible with input tensor's size and stride (at least one dimension spans "
                    "across two contiguous subspaces). Use .reshape(...) instead.", "t5 is_contiguous: True"]),
    22: ("joining", ["t3: tensor([[3, 8, 2],\n        [4, 8, 3],\n        [3, 2, 3],\n        [7, 3, 5]])", "torch.Size([2, 2, 3])",
                     "torch.Size([2, 3, 2])"]),
    23: ("gradient", ["梯度 a.grad: tensor([4., 5.])"]),
    24: ("glued_gradient", ["梯度函数类型: <class 'MulBackward0'>"]),
    25: ("glued_gradient", ["grad tensor([40., 80.])", "更新后的权重: tensor([ 9.6000, 19.2000], requires_grad=True)"]),
    26: ("glued_descent", ["第 0 次, 权重初始值: 9.800000190734863, (0.01 * w.grad): 0.20000, loss: 120.00000",
                           "最终结果 权重: 1.3261957168579102, 梯度: 2.70652, loss: 21.83132"]),
    27: ("fit_a_line", ["Epoch 200: loss=0.0040"]),
    28: ("vector_backward", ["tensor([[3., 3.],\n        [3., 3.]])"]),
    29: ("chain", ["tensor(864.)"]),
    30: ("mean_gradient", ["tensor([0.6667, 0.6667, 0.6667])"]),
    31: ("numpy_scalars", ["<class 'numpy.float64'> <class 'torch.Tensor'> torch.float32 tensor([[1.]], grad_fn=<MulBackward0>)"]),
    32: ("detach", ["Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
                    "t1: tensor([10., 20.])\nt1.requires_grad: False\nt1 numpy: [10. 20.]", "tensor([ 7., 20.], requires_grad=True)"]),
    33: ("linear_by_hand", ["初始化w: tensor([[ 1.0302, -0.5073, -0.1017],", "[1.2466, 0.8704, 1.1346]", "[ 3.0886, -3.5104, -2.0322]",
                            "grad_fn=<AddBackward0>)", "b的梯度: tensor([ 2.0591, -2.3402, -1.3548])"]),
    34: ("linear_layer", ["权重: Parameter containing:\ntensor([[-0.2682]], requires_grad=True)", "tensor([0.4050], requires_grad=True)"]),
    35: ("network", ["Net(\n  (fc1): Linear(in_features=4, out_features=10, bias=True)\n  (fc2): Linear(in_features=10, out_features=4, "
                     "bias=True)\n  (relu): ReLU()\n)"]),
    36: ("squared_error", ["tensor(0.5000)"]),
    37: ("line_with_modules", ["tensor([[2.0000]], requires_grad=True) Parameter containing:\ntensor([1.0000], requires_grad=True)"]),
    38: ("fit_a_line", ["Epoch 50: loss=1.6986, w=2.0000, b=1.7228", "Epoch 200: loss=0.0040, w=2.0000, b=2.9383"]),
    39: ("loader_order", ["[37, 62, 17, 83, 52, 88, 64, 22, 18, 77]"]),
    40: ("linear_regression", ["re:轮数: 1, 平均损失值: 908\\.280", "re:轮数: 100, 平均损失值: 105\\.437", "tensor([[27.6219]]",
                               "tensor([13.9340]", "27.4780505"]),
    41: ("linear_regression", ["torch.Size([100]) torch.float32 torch.Size([100]) torch.float64", "<class 'numpy.ndarray'> torch.float64",
                               "损失值曲线变化图 ['预测值', '真实值']"]),
    42: ("modes_and_files", ["False True", "<All keys matched successfully> True"]),
    43: ("dimensions", ["torch.Size([])", "torch.Size([3, 64, 64])"]),
    44: ("linear_regression", ["轮数: 100"]),  # the other two goals are examples/python/digits.py and character_gpt.py
    45: ("named_families", ["Adam [0.0025]", "RMSprop [0.0025]", "SGD [0.025]", "torch.Size([2, 7, 5]) torch.Size([1, 2, 5])"]),
    46: ("errata", ["False 0", "AssertionError Torch not compiled with CUDA enabled", "cpu tensor([1., 1.])"]),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_feature(row):
    name, pieces = ROWS[row]
    printed = run(name)[0]
    for piece in pieces:
        if piece.startswith("re:"):
            assert re.search(piece[3:], printed), printed
        else:
            assert piece in printed


def test_every_feature_is_here():
    assert list(ROWS) == list(range(1, 47)) and {name for name, _ in ROWS.values()} <= set(NAMES)


def test_order_of_the_seeded_permutation():
    assert "tensor([9, 8, 6, 3, 1, 7, 4, 2, 5, 0])" in run("seeds")[0]


def test_converting_elements_that_require_grad_warns():
    warnings = run("linear_regression")[1]
    assert "UserWarning: Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior." in warnings


def test_a_misspelt_name_is_refused_with_a_suggestion(tmp_path):
    with pytest.raises(AttributeError, match="arrange") as failure:
        tallow.arrange(0, 10, 2)
    assert str(failure.value) == "module 'torch' has no attribute 'arrange'"
    assert failure.value.__notes__ == ["Did you mean torch.arange?"]
    script = tmp_path / "script.py"
    script.write_text("import torch\ntorch.arrange(0, 10, 2)\n")
    done = subprocess.run([sys.executable, "-m", "tallow", "run", str(script)], capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=PACKAGES))  # fmt: skip
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and lines[-2:] == ["AttributeError: module 'torch' has no attribute 'arrange'", "Did you mean torch.arange?"]
    assert lines[1].strip().startswith(f'File "{script}"')  # the traceback starts in the script
