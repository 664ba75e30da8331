"""bench/small.py measures every elementwise and view op of the table: each call that it times works, and no op is left out."""

import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("bench_small", ROOT / "bench/small.py")
small = importlib.util.module_from_spec(spec)
spec.loader.exec_module(small)
OPS = small.table()
CALLS = small.calls(OPS)


@pytest.mark.parametrize("name", CALLS)
def test_call_runs(name):
    assert CALLS[name]() is not None


def test_every_public_elementwise_and_view_op_is_measured():
    public = {op.key for op in OPS if op.kind in ("elementwise", "view") and op.public and "inplace" not in op.flags and small.function(op)}
    assert len(public) > 100
    assert public - set(CALLS) == {key for key, values in small.VIEWS.items() if values is None}
