"""Parts of torch that answer as a build without them does: torch.cuda, distributed, jit, compiler, backends; profiler, hub; absent names."""

import importlib
import json
import subprocess
import sys

import pytest
import tallow as torch
from tallow import _absent
from tallow.profiler import ProfilerAction, profile, record_function, schedule


def test_cuda_is_not_there():
    assert not torch.cuda.is_available() and torch.cuda.device_count() == 0 and torch.cuda.get_rng_state_all() == []
    assert torch.cuda.memory_allocated() == 0 and torch.cuda.memory_stats() == {} and torch.cuda.default_generators == ()
    torch.cuda.manual_seed_all(0)
    torch.cuda.empty_cache()
    for refused in (torch.cuda.current_device, torch.cuda.synchronize, torch.cuda.get_device_name, torch.cuda.current_stream,
                    lambda: torch.cuda.set_device(0), lambda: torch.cuda.device(0).__enter__()):  # fmt: skip
        with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
            refused()
    with pytest.raises(TypeError, match="type torch.cuda.FloatTensor not available. Torch not compiled with CUDA enabled."):
        torch.cuda.FloatTensor(2)
    assert not isinstance(torch.zeros(1), torch.cuda.FloatTensor)
    with pytest.raises(RuntimeError, match="torch.cuda.Stream requires CUDA support"):
        torch.cuda.Stream()
    with torch.cuda.stream(None), torch.cuda.device(None):
        pass
    with pytest.raises(AttributeError, match="module 'torch.cuda' has no attribute 'nothing'"):
        torch.cuda.nothing
    with pytest.warns(FutureWarning, match=r"torch.cuda.amp.GradScaler\(args...\)` is deprecated"), pytest.warns(UserWarning, match="Disabling"):
        assert not importlib.import_module("tallow.cuda.amp").GradScaler().is_enabled()


def test_one_process():
    distributed = torch.distributed
    assert not distributed.is_available() and not distributed.is_initialized() and not distributed.is_nccl_available()
    for refused in (distributed.get_rank, distributed.get_world_size):
        with pytest.raises(ValueError, match="Default process group has not been initialized, please make sure to call init_process_group."):
            refused()
    sampler = torch.utils.data.DistributedSampler(range(7), num_replicas=2, rank=1, shuffle=False)
    assert list(sampler) == [1, 3, 5, 0] and len(sampler) == 4
    parts = [list(torch.utils.data.DistributedSampler(range(7), 2, rank, drop_last=True)) for rank in (0, 1)]
    assert len(set(parts[0] + parts[1])) == 6
    with pytest.raises(ValueError, match=r"Invalid rank 2, rank should be in the interval \[0, 1\]"):
        torch.utils.data.DistributedSampler(range(7), 2, 2)


@pytest.mark.torch
def test_distributed_sampler_is_pytorchs():
    import torch as reference

    for options in ({}, {"shuffle": False}, {"drop_last": True}, {"seed": 3}):
        both = []
        for module in (torch, reference):
            sampler = module.utils.data.DistributedSampler(range(11), num_replicas=3, rank=1, **options)
            sampler.set_epoch(2)
            both.append(list(sampler))
        assert both[0] == both[1]


def test_what_is_not_compiled_runs_as_it_is():
    def f(x):
        return x + 1

    for made in (torch.jit.script(f), torch.jit.trace(f, torch.ones(1)), torch.jit.ignore(f), torch.jit.ignore(drop=True)(f), torch.jit.unused(f),
                 torch.jit.export(f), torch.compiler.disable(f), torch.compiler.disable(recursive=False)(f), torch.compile(f)):  # fmt: skip
        assert made is f or made(torch.ones(1)).item() == 2.0
    assert torch.jit.annotate(list, [1]) == [1] and torch.jit.isinstance([1], list) and not torch.compiler.is_compiling()
    assert not torch.onnx.is_in_onnx_export() and not isinstance(f, torch.jit.ScriptModule)
    model = torch.nn.Linear(2, 1)
    assert torch.jit.script(model) is model


@pytest.mark.parametrize("module", sorted(_absent.NAMES))
def test_absent_names_name_themselves(module):
    owner = importlib.import_module(f"tallow.{module}".rstrip("."))
    path = f"torch.{module}".rstrip(".")
    for name in _absent.names(module):
        value = getattr(owner, name)
        assert name in dir(owner) or not module
        if name.endswith("Error"):
            assert issubclass(value, Exception)
            continue
        if isinstance(value, type):
            assert not isinstance(3, value)
        if getattr(value, "_absent", False):
            with pytest.raises(NotImplementedError, match=f"{path}.{name} is not implemented in tallow"):
                value(1)
    with pytest.raises(AttributeError, match=f"module '{path}' has no attribute 'no_such_name'"):
        owner.no_such_name


def test_backends():
    code = """
        import torch
        import torch.backends.cudnn as cudnn
        from torch.backends import mps
        cudnn.benchmark = True
        with cudnn.flags(enabled=False):
            assert not cudnn.enabled
        assert cudnn.enabled and cudnn.benchmark and not cudnn.is_available() and not mps.is_available()
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cuda.enable_flash_sdp(False)
        assert not torch.backends.cuda.flash_sdp_enabled() and not torch.backends.cuda.is_built()
        assert torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")
        import torch.cuda.amp, torch.distributed, torch.multiprocessing, torch.jit, torch.hub, torch.fx, torch.profiler
        from torch.cuda.amp import autocast, GradScaler
    """
    import textwrap

    done = subprocess.run([sys.executable, "-c", "import tallow; tallow.install_as_torch()\n" + textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_profiler(tmp_path):
    with profile() as prof:
        with record_function("step"):
            a = torch.ones(10, 10)
            (a @ a).relu_()
            a @ a
    averages = {event.key: event for event in prof.key_averages()}
    assert averages["aten::mm"].count == 2 and averages["aten::relu_"].count == 1 and averages["step"].count == 1
    step = averages["step"]
    assert 0 <= step.self_cpu_time_total <= step.cpu_time_total and averages["aten::mm"].cpu_time_total < step.cpu_time_total
    assert sum(e.self_cpu_time_total for e in prof.events()) == pytest.approx(
        sum(e.cpu_time_total for e in prof.events() if e.name == "step"), rel=1e-6
    )
    table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=2)
    lines = table.splitlines()
    assert "Name" in lines[1] and "# of Calls" in lines[1] and lines[3].split()[0] == "step" and len(lines) == 7
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    assert {e["name"] for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]} >= {"step", "aten::mm"}
    a @ a
    assert torch._C._profiled() == []  # nothing is noted outside


def test_profiler_of_a_training_step(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.rand(16, 64), torch.arange(16) % 10
    with profile() as prof:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    optimizer.step()  # of no profile
    counts = {event.key: event.count for event in prof.key_averages()}
    assert counts["aten::linear"] == counts["aten::addmm"] == 2 and counts["aten::nll_loss_backward"] == 1
    assert counts["aten::mm"] == 3  # the gradients of two weights and of what lies between them
    assert counts["Optimizer.step#Adam.step"] == counts["Optimizer.zero_grad#Adam.zero_grad"] == 1
    rows = prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=-1).splitlines()[3:-1]
    assert {row.split()[0] for row in rows[:-1]} == set(counts) and set(rows[-1]) == {"-", " "}
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(events) == sum(counts.values()) and all(event["ph"] == "X" and event["dur"] >= 0 for event in events)
    step = next(event for event in events if event["name"] == "Optimizer.step#Adam.step")
    assert all(event["ts"] <= step["ts"] for event in events)  # it comes last


def test_profiler_schedule():
    action = schedule(wait=1, warmup=1, active=2, repeat=1, skip_first=1)
    kinds = [action(step) for step in range(7)]
    none, warmup, record, save = ProfilerAction.NONE, ProfilerAction.WARMUP, ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE
    assert kinds == [none, none, warmup, record, save, none, none]
    counts = []
    with profile(schedule=schedule(wait=1, warmup=0, active=2), on_trace_ready=lambda p: counts.append(p.key_averages()[0].count)) as prof:
        for _ in range(6):
            torch.ones(2).neg()
            prof.step()
    assert len(counts) == 2


def test_hub(tmp_path, monkeypatch):
    (tmp_path / "hubconf.py").write_text("def tiny(n=1):\n    'A list.'\n    return [n]\n\ndef _private():\n    pass\n")
    assert torch.hub.load(str(tmp_path), "tiny", 3, source="local") == [3]
    assert torch.hub.list(str(tmp_path)) == ["tiny"] and torch.hub.help(str(tmp_path), "tiny") == "A list."
    with pytest.raises(RuntimeError, match="Cannot find callable none in hubconf"):
        torch.hub.load(str(tmp_path), "none", source="local")
    with pytest.raises(NotImplementedError, match="torch.hub.load of a repository on GitHub"):
        torch.hub.load("owner/name", "tiny")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    assert torch.hub.get_dir() == str(tmp_path / "home" / "hub")
    torch.save({"w": torch.ones(2)}, str(tmp_path / "weights.pth"))
    state = torch.hub.load_state_dict_from_url((tmp_path / "weights.pth").as_uri(), model_dir=str(tmp_path / "models"), progress=False)
    assert state["w"].tolist() == [1.0, 1.0] and (tmp_path / "models" / "weights.pth").exists()
    with pytest.raises(RuntimeError, match="invalid hash value"):
        torch.hub.download_url_to_file((tmp_path / "weights.pth").as_uri(), str(tmp_path / "other.pth"), hash_prefix="00", progress=False)
    assert not (tmp_path / "other.pth").exists()


def test_streams_events_and_plain_numbers():
    stream = torch.Stream()
    first, last = stream.record_event(), torch.Event()
    last.record()
    assert stream.query() and first.elapsed_time(last) >= 0 and repr(stream) == "torch.Stream device_type=cpu, device_index=-1, stream_id=0"
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        torch.Stream("cuda")
    assert not isinstance(3, torch.SymInt) and torch.sym_int(2.7) == 2 and torch.sym_max(1, 2.0) == 2.0 and torch.sym_not(True) is False
    with pytest.raises(NotImplementedError, match="torch.SymInt is not implemented in tallow"):
        torch.SymInt(3)
    assert issubclass(torch.OutOfMemoryError, RuntimeError)


def test_nodes():
    x = torch.ones(1, requires_grad=True)

    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            return grad

    node = torch.autograd.graph.Node
    y = x * 2
    assert isinstance(y.grad_fn, node) and isinstance(Same.apply(y).grad_fn, node) and isinstance(y.grad_fn.next_functions[0][0], node)
    assert not isinstance(x, node) and not isinstance(3, node) and not isinstance(torch.nn.Linear(1, 1), node)


def test_signatures_of_what_python_cannot_see():
    """Methods and functions in C say their parameters; functions that PyTorch picks by a flag say no more than PyTorch's."""
    import inspect

    def names(thing):
        return list(inspect.signature(thing).parameters)

    assert names(torch.Tensor.split) == ["self", "split_size", "dim"]
    assert names(torch.Tensor.chunk) == ["self", "chunks", "dim"]
    assert names(torch.Tensor.register_hook) == names(torch.Tensor.register_post_accumulate_grad_hook) == ["self", "hook"]
    for function in (torch.unique, torch.unique_consecutive, torch.nn.functional.max_pool2d, torch.autograd.Function):
        assert names(function) == ["args", "kwargs"]
    assert torch.nn.functional.max_pool1d(torch.ones(1, 1, 4), 2, return_indices=True)[1].tolist() == [[[0, 2]]]
    for name in dir(torch.Tensor):  # none of the texts is malformed
        method = getattr(torch.Tensor, name)
        if type(method).__name__ == "method_descriptor" and getattr(method, "__text_signature__", None):
            assert names(method)[0] == "self"


def test_gradcheck_is_a_function_whatever_is_named_first():
    code = "import tallow; tallow.autograd.gradgradcheck; assert callable(tallow.autograd.gradcheck)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
