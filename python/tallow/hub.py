"""torch.hub: models of repositories in folders, and files of weights. Repositories on GitHub are not fetched."""

import hashlib
import os
import sys
import tempfile
import urllib.parse
import urllib.request

from tallow._absent import refuse as _refuse

_dir = None


def get_dir():
    """Where files are kept: TORCH_HOME, else XDG_CACHE_HOME/torch, else ~/.cache/torch; and there `hub`."""
    if _dir is not None:
        return _dir
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")))
    return os.path.join(home, "hub")


def set_dir(d):
    """Sets where files are kept."""
    global _dir
    _dir = os.path.expanduser(d)


def _entry(repo_or_dir, name, source):
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        raise _refuse("hub.load of a repository on GitHub (source='local' takes a folder)")
    path = os.path.join(repo_or_dir, "hubconf.py")
    if not os.path.exists(path):
        raise FileNotFoundError(f"[Errno 2] No such file or directory: '{path}'")
    import importlib.util

    sys.path.insert(0, repo_or_dir)
    try:
        spec = importlib.util.spec_from_file_location("hubconf", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(repo_or_dir)
    if name is None:
        return module
    entry = getattr(module, name, None)
    if not callable(entry):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return entry


def list(github, force_reload=False, skip_validation=False, trust_repo=None, verbose=True):  # noqa: A001
    """The names of the entries of a folder's hubconf.py."""
    module = _entry(github, None, "local" if os.path.isdir(github) else "github")
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def help(github, model, force_reload=False, skip_validation=False, trust_repo=None):  # noqa: A001
    """The docstring of an entry."""
    return _entry(github, model, "local" if os.path.isdir(github) else "github").__doc__


def load(repo_or_dir, model, *args, source="github", trust_repo=None, force_reload=False, verbose=True, skip_validation=False, **kwargs):
    """Calls an entry of a folder's hubconf.py."""
    return _entry(repo_or_dir, model, source.lower())(*args, **kwargs)


def download_url_to_file(url, dst, hash_prefix=None, progress=True):
    """Fetches a file; hash_prefix is the beginning of its SHA-256."""
    folder = os.path.dirname(os.path.abspath(dst))
    digest = hashlib.sha256()
    handle, part = tempfile.mkstemp(dir=folder, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": "torch.hub"})) as source:
            while block := source.read(1 << 17):
                file.write(block)
                digest.update(block)
        if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")')
        os.replace(part, dst)
    finally:
        if os.path.exists(part):
            os.remove(part)


def load_state_dict_from_url(url, model_dir=None, map_location=None, progress=True, check_hash=False, file_name=None,
                             weights_only=False):  # fmt: skip
    """The contents of a file of weights, fetched unless it is there; check_hash: its name ends in -HASH.pth."""
    import re

    import tallow

    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urllib.parse.urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        found = re.search(r"-([a-f0-9]*)\.", name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress=progress)
    return tallow.load(path, map_location=map_location, weights_only=weights_only)
