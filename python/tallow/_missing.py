"""What is said of a name that a module does not have."""

import sys


def no_attribute(module, name):
    """The AttributeError for tallow's `module`, in PyTorch's words, with a note that suggests the name that was meant."""
    from difflib import get_close_matches

    public = "torch" + module[6:]
    owner = sys.modules[module]
    error = AttributeError(f"module '{public}' has no attribute '{name}'", name=name)
    if not name.startswith("_"):
        # Typing errors rarely touch the first letter; looking at fewer names keeps hasattr() quick.
        alike = [n for n in dir(owner) if n[:1].lower() == name[0].lower() and abs(len(n) - len(name)) <= 2]
        meant = get_close_matches(name, alike, n=1, cutoff=0.75)
        if meant:
            error.add_note(f"Did you mean {public}.{meant[0]}?")
    return error
