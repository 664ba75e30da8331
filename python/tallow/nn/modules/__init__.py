"""The layers. Each file has PyTorch's name, so that pickles of modules find their classes."""

from tallow.nn.modules.activation import (
    CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSigmoid, LogSoftmax, Mish,
    MultiheadAttention, PReLU, ReLU, ReLU6, RReLU, SELU, SiLU, Sigmoid, Softmax, Softmax2d, Softmin, Softplus, Softshrink, Softsign, Tanh,
    Tanhshrink, Threshold,
)  # fmt: skip
from tallow.nn.modules.adaptive import AdaptiveLogSoftmaxWithLoss
from tallow.nn.modules.container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from tallow.nn.modules.conv import Conv1d, Conv2d
from tallow.nn.modules.distance import CosineSimilarity, PairwiseDistance
from tallow.nn.modules.dropout import Dropout
from tallow.nn.modules.flatten import Flatten, Unflatten
from tallow.nn.modules.linear import Bilinear, Identity, LazyLinear, Linear
from tallow.nn.modules.linear_cross_entropy_options import LinearCrossEntropyOptions
from tallow.nn.modules.loss import (
    BCELoss, BCEWithLogitsLoss, CosineEmbeddingLoss, CrossEntropyLoss, CTCLoss, GaussianNLLLoss, HingeEmbeddingLoss, HuberLoss,
    KLDivLoss, L1Loss, LinearCrossEntropyLoss, MarginRankingLoss, MSELoss, MultiLabelMarginLoss, MultiLabelSoftMarginLoss,
    MultiMarginLoss, NLLLoss, NLLLoss2d, PoissonNLLLoss, SmoothL1Loss, SoftMarginLoss, TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)  # fmt: skip
from tallow.nn.modules.module import Module
from tallow.nn.modules.normalization import LayerNorm
from tallow.nn.modules.pooling import MaxPool2d
from tallow.nn.modules.rnn import GRU, GRUCell, LSTM, LSTMCell, RNN, RNNBase, RNNCell, RNNCellBase
from tallow.nn.modules.sparse import Embedding, EmbeddingBag
from tallow.nn.modules.transformer import (
    Transformer, TransformerDecoder, TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer,
)  # fmt: skip

__all__ = sorted(name for name, value in globals().items() if isinstance(value, type))
