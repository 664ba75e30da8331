"""Being torch: a finder that answers `import torch.x` with tallow's own modules.

Note [Names of aliased classes]: __module__ of what tallow defines stays tallow.…, unless this finder loads the module; then
it says torch.…, so that pickles written in the process name PyTorch's modules."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys

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
        _rename(module)


def _rename(module):
    """Says torch for tallow in the __module__ of a module's classes and functions."""
    own = module.__name__
    public = "torch" + own[6:]
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) == own and isinstance(value, (type, type(_rename))):
            try:
                value.__module__ = public
            except (AttributeError, TypeError):
                pass


class Finder(importlib.abc.MetaPathFinder):
    """Finds torch and torch.x where tallow has them."""

    def find_spec(self, name, path=None, target=None):
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
            sys.modules["torch" + name[6:]] = module
            _rename(module)
