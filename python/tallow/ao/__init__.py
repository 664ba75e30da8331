"""torch.ao: quantization is not implemented."""


def __getattr__(name):
    if name == "quantization":
        import importlib

        return importlib.import_module("tallow.ao.quantization")
    from tallow._missing import no_attribute

    raise no_attribute(__name__, name)
