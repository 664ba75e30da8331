"""Where the package scipy-openblas32 keeps LAPACK."""


def path():
    """The library's path; None without the package."""
    import importlib.util
    import pathlib

    spec = importlib.util.find_spec("scipy_openblas32")
    places = spec.submodule_search_locations if spec is not None else None
    for folder in places or ():
        for name in ("libscipy_openblas.so", "libscipy_openblas.dylib"):
            library = pathlib.Path(folder, "lib", name)
            if library.exists():
                return str(library)
    return None
