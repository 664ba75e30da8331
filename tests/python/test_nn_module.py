"""How a module is called and where its attributes are found, whatever a subclass redefines."""

import copy
import pickle

import pytest
import tallow as torch
from tallow import nn


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros(1))
        self.inner = nn.Identity()
        self.register_parameter("missing", None)

    def forward(self, x):
        return self.inner(x) * self.weight


def test_registered_attributes_are_found():
    m = Plain()
    assert m.weight is m._parameters["weight"] and m.seen is m._buffers["seen"] and m.inner is m._modules["inner"]
    assert m.missing is None and m.__getattr__("weight") is m.weight
    with pytest.raises(AttributeError, match="^'Plain' object has no attribute 'nothing'$") as error:
        m.nothing  # noqa: B018
    assert error.value.name == "nothing" and error.value.obj is m
    assert not hasattr(m, "nothing") and getattr(m, "nothing", 3) == 3
    assert pickle.loads(pickle.dumps(m)).weight.tolist() == copy.deepcopy(m).weight.tolist() == [1, 1]


def test_own_getattr_goes_first_and_can_ask_the_base():
    class Wrapped(Plain):
        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                if name != "nothing":
                    raise
                return "made up"

    assert Wrapped().weight.tolist() == [1, 1] and Wrapped().nothing == "made up"


def test_getattr_set_later_is_seen():
    class Later(Plain):
        pass

    class Below(Later):
        pass

    m = Below()
    assert m.weight.tolist() == [1, 1]
    Later.__getattr__ = lambda self, name: name.upper()
    assert m.weight == "WEIGHT" and m.training is True
    del Later.__getattr__
    assert m.weight.tolist() == [1, 1]


def test_own_getattribute_is_seen():
    class Watching(Plain):
        def __getattribute__(self, name):
            return 5 if name == "special" else super().__getattribute__(name)

    assert Watching().special == 5 and Watching().seen.tolist() == [0]


def test_attribute_error_of_a_property_is_looked_up_as_a_name():
    class Broken(Plain):
        @property
        def half(self):
            return self.nothing

    with pytest.raises(AttributeError, match="'Broken' object has no attribute 'half'"):
        Broken().half  # noqa: B018


def test_init_subclass_of_others_runs():
    made = []

    class Mixin:
        def __init_subclass__(cls, tag=None, **kwargs):
            super().__init_subclass__(**kwargs)
            made.append((cls.__name__, tag))

    class Both(Plain, Mixin, tag="x"):
        pass

    assert made == [("Both", "x")] and Both().weight.tolist() == [1, 1]
    with pytest.raises(TypeError, match="takes no keyword arguments"):
        type("Wrong", (nn.Module,), {}, tag="y")


def test_forward_of_the_instance_goes_first():
    m, x = Plain(), torch.ones(2)
    assert m(x).tolist() == [1, 1] and m(x=x).tolist() == [1, 1]
    m.forward = lambda x: "own"
    assert m(x) == "own"
    del m.forward
    Plain.forward, kept = lambda self, x: "class", Plain.forward
    try:
        assert m(x) == "class"
    finally:
        Plain.forward = kept
    assert m(x).tolist() == [1, 1]
    with pytest.raises(TypeError, match="forward"):
        m()


def test_call_set_on_the_class_is_seen():
    m = Plain()
    before = nn.Module.__call__
    nn.Module.__call__ = lambda self, *args: "traced"
    try:
        assert m(1) == "traced"
    finally:
        nn.Module.__call__ = before
    assert m(torch.ones(2)).tolist() == [1, 1]


def test_forward_that_is_no_function():
    class Callable:
        def __call__(self, x):
            return x + 1

    class Odd(nn.Module):
        forward = Callable()

    class Static(nn.Module):
        @staticmethod
        def forward(x):
            return x + 2

    assert Odd()(1) == 2 and Static()(1) == 3


def test_hooks_run_once_there_are_any():
    m, seen = Plain(), []
    m(torch.ones(2))
    handle = m.register_forward_hook(lambda module, args, result: seen.append(result.tolist()))
    m(torch.ones(2))
    handle.remove()
    m(torch.ones(2))
    assert seen == [[1, 1]]


def test_a_module_that_was_not_initialised():
    class Bare(nn.Module):
        def __init__(self):
            pass

    with pytest.raises(AttributeError, match="'Bare' object has no attribute"):
        Bare()(1)
