"""The layers. Each file has PyTorch's name, so that pickles of modules find their classes."""

from tallow.nn.modules.activation import (
    ELU, GELU, LeakyReLU, LogSigmoid, LogSoftmax, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Softmin, Softplus, Softsign, Tanh,
    Tanhshrink,
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
    "Bilinear", "Conv1d", "Conv2d", "CrossEntropyLoss", "Dropout", "ELU", "Flatten", "GELU", "Identity", "L1Loss",
    "LeakyReLU", "Linear", "LogSigmoid", "LogSoftmax", "MSELoss", "MaxPool2d", "Module", "ModuleDict", "ModuleList",
    "NLLLoss", "ParameterDict", "ParameterList", "ReLU", "ReLU6", "Sequential", "SiLU", "Sigmoid", "Softmax", "Softmin",
    "Softplus", "Softsign", "Tanh", "Tanhshrink", "Unflatten",
]  # fmt: skip
