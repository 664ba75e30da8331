"""torch.__future__: two settings of how modules are converted."""

_overwrite = _swap = False


def set_overwrite_module_params_on_conversion(value):
    """Whether Module.to() makes new Parameters."""
    global _overwrite
    _overwrite = value


def get_overwrite_module_params_on_conversion():
    """What was set."""
    return _overwrite


def set_swap_module_params_on_conversion(value):
    """Only remembered."""
    global _swap
    _swap = value


def get_swap_module_params_on_conversion():
    """What was set."""
    return _swap
