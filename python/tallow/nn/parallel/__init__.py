"""Several devices or processes. There is one device: DataParallel calls its module, the rest says what it lacks."""

from tallow.nn.modules.module import Module


class DataParallel(Module):
    """Splits a batch among devices; with none to split it among, calls the module."""

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        if device_ids:
            raise AssertionError("Torch not compiled with CUDA enabled")
        self.module = module
        self.device_ids = []

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """module(*inputs), split among devices if there are any."""
    if device_ids:
        raise AssertionError("Torch not compiled with CUDA enabled")
    inputs = inputs if isinstance(inputs, tuple) else (inputs,) if inputs is not None else ()
    return module(*inputs, **(module_kwargs or {}))


class DistributedDataParallel(Module):
    """Training with several processes: needs a process group, which there is not."""

    def __init__(self, module, *args, **kwargs):
        super().__init__()
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
