"""Being torch: a finder that answers `import torch.x` with tallow's own modules.

Note [Names of aliased classes]: __module__ of what tallow defines says tallow.… until install() is called; from then on it says
torch.…, so that pickles written in the process name PyTorch's modules."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types

SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_shim")


def _own_name(name):
    return "tallow" + name[5:]


class _Loader(importlib.abc.Loader):
    """Hands out tallow's module under torch's name."""

    def create_module(self, spec):
        module = importlib.import_module(_own_name(spec.name))
        self._own = module.__spec__, module.__loader__, module.__package__, module.__name__
        return module

    def exec_module(self, module):
        # The import system has just put the alias's names on the module: give it its own back.
        module.__spec__, module.__loader__, module.__package__, module.__name__ = self._own


def _public(name):
    return "torch" + name[6:]


def _rename(module):
    """Says torch for tallow in the __module__ of a module's classes and functions."""
    for value in list(vars(module).values()):
        home = getattr(value, "__module__", None)
        if isinstance(value, (type, types.FunctionType)) and isinstance(home, str) and home.split(".")[0] == "tallow":
            try:
                value.__module__ = _public(home)
            except (AttributeError, TypeError):
                pass


def _renaming(spec):
    """The spec of a module of tallow's own, which is renamed and aliased once it is loaded."""
    execute = spec.loader.exec_module

    def exec_module(module):
        execute(module)
        _rename(module)
        sys.modules.setdefault(_public(spec.name), module)

    spec.loader.exec_module = exec_module
    return spec


class Finder(importlib.abc.MetaPathFinder):
    """Finds torch and torch.x where tallow has them."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith("tallow.") and name != "tallow._C":
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            return spec if spec is None or spec.loader is None else _renaming(spec)
        if name != "torch" and not name.startswith("torch."):
            return None
        own = _own_name(name)
        if own in sys.modules:
            found = sys.modules[own].__spec__
        else:
            try:
                found = importlib.util.find_spec(own)
            except ModuleNotFoundError:
                return None
        if found is None and own not in sys.modules:
            return None
        spec = importlib.machinery.ModuleSpec(name, _Loader(), origin=getattr(found, "origin", None))
        if found is not None and found.submodule_search_locations is not None:
            spec.submodule_search_locations = list(found.submodule_search_locations)
        return spec


def install():
    """Puts the finder first, and the folder with torch's metadata on the path of this process and of its children."""
    other = sys.modules.get("torch")
    import tallow

    if other is not None and other is not tallow:
        raise RuntimeError(
            f"tallow.install_as_torch(): another torch is loaded already ({getattr(other, '__file__', 'unknown file')})"
        )
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
    if SHIM not in sys.path:
        sys.path.insert(0, SHIM)
    before = os.environ.get("PYTHONPATH", "")
    if SHIM not in before.split(os.pathsep):
        os.environ["PYTHONPATH"] = SHIM + (os.pathsep + before if before else "")
    sys.modules["torch"] = tallow
    for name, module in list(sys.modules.items()):
        if name == "tallow" or name.startswith("tallow."):
            sys.modules[_public(name)] = module
            _rename(module)
