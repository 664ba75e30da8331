"""SparseAdam needs sparse tensors, which tallow does not have."""

from tallow.optim.optimizer import Optimizer


class SparseAdam(Optimizer):
    """Adam for sparse gradients: not implemented."""

    _absent = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        raise NotImplementedError("torch.optim.SparseAdam is not implemented in tallow: it has no sparse tensors")
