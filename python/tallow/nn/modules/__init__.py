"""The layers. Each file has PyTorch's name, so that pickles of modules find their classes."""

from tallow.nn.modules.activation import (
    CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSigmoid, LogSoftmax, Mish,
    PReLU, ReLU, ReLU6, SELU, SiLU, Sigmoid, Softmax, Softmax2d, Softmin, Softplus, Softshrink, Softsign, Tanh,
    Tanhshrink, Threshold,
)  # fmt: skip
from tallow.nn.modules.container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from tallow.nn.modules.conv import Conv1d, Conv2d
from tallow.nn.modules.dropout import Dropout
from tallow.nn.modules.flatten import Flatten, Unflatten
from tallow.nn.modules.linear import Bilinear, Identity, Linear
from tallow.nn.modules.loss import CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from tallow.nn.modules.module import Module
from tallow.nn.modules.pooling import MaxPool2d

__all__ = [
    "Bilinear", "CELU", "Conv1d", "Conv2d", "CrossEntropyLoss", "Dropout", "ELU", "Flatten", "GELU", "GLU",
    "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "L1Loss", "LeakyReLU", "Linear",
    "LogSigmoid", "LogSoftmax", "MSELoss", "MaxPool2d", "Mish", "Module", "ModuleDict", "ModuleList", "NLLLoss",
    "PReLU", "ParameterDict", "ParameterList", "ReLU", "ReLU6", "SELU", "Sequential", "SiLU", "Sigmoid",
    "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
    "Unflatten",
]  # fmt: skip
