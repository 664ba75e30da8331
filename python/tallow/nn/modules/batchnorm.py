"""Batch normalisation."""

import tallow
from tallow.nn import functional as F, init
from tallow.nn.modules.lazy import LazyModuleMixin
from tallow.nn.modules.module import Module
from tallow.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter


class _NormBase(Module):
    _version = 2  # of its state: 2 has num_batches_tracked
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *, bias=True):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, Parameter(tallow.empty(num_features, device=device, dtype=dtype)) if wanted else None)
        stats = (None, None, None)
        if track_running_stats:
            stats = (tallow.zeros(num_features, device=device, dtype=dtype), tallow.ones(num_features, device=device, dtype=dtype),
                     tallow.tensor(0, dtype=tallow.long, device=device))  # fmt: skip
        for name, value in zip(("running_mean", "running_var", "num_batches_tracked"), stats):
            self.register_buffer(name, value)
        self.reset_parameters()

    def reset_running_stats(self):
        """Zero mean, unit variance, no batch seen."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        """Ones and zeros."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input):
        raise NotImplementedError

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        version, key = local_metadata.get("version"), prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            own = self.num_batches_tracked
            known = own is not None and own.device.type != "meta"
            state_dict[key] = own if known else tallow.tensor(0, dtype=tallow.long)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)


class _BatchNorm(_NormBase):
    def _statistics(self):
        """(running mean, running variance, whether the batch's own count, momentum) of this call; counts the batch."""
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        own = self.training or (self.running_mean is None and self.running_var is None)
        used = not self.training or self.track_running_stats
        return self.running_mean if used else None, self.running_var if used else None, own, momentum

    def forward(self, input):
        self._check_input_dim(input)
        mean, var, own, momentum = self._statistics()
        return F.batch_norm(input, mean, var, self.weight, self.bias, own, momentum, self.eps)


class _LazyNormBase(LazyModuleMixin, _NormBase):
    def __init__(self, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *, bias=True):
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tallow.tensor(0, dtype=tallow.long, device=device)

    def reset_parameters(self):
        """Ones and zeros, once there is something to fill."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input):
        """Takes num_features from the input."""
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for value in (self.weight, self.bias, self.running_mean, self.running_var):
                if value is not None:
                    value.materialize((self.num_features,))
            self.reset_parameters()


def _refuse(input, allowed):
    if input.dim() not in allowed:
        raise ValueError(f"expected {' or '.join(f'{n}D' for n in allowed)} input (got {input.dim()}D input)")


class BatchNorm1d(_BatchNorm):
    """Zero mean and unit variance of each channel of (N, C) or (N, C, L) over the batch."""

    def _check_input_dim(self, input):
        _refuse(input, (2, 3))


class BatchNorm2d(_BatchNorm):
    """Zero mean and unit variance of each channel of (N, C, H, W) over the batch."""

    def _check_input_dim(self, input):
        _refuse(input, (4,))


class BatchNorm3d(_BatchNorm):
    """Zero mean and unit variance of each channel of (N, C, D, H, W) over the batch."""

    def _check_input_dim(self, input):
        _refuse(input, (5,))


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """BatchNorm1d that takes num_features from its first input."""

    cls_to_become = BatchNorm1d

    def _check_input_dim(self, input):
        _refuse(input, (2, 3))


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """BatchNorm2d that takes num_features from its first input."""

    cls_to_become = BatchNorm2d

    def _check_input_dim(self, input):
        _refuse(input, (4,))


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """BatchNorm3d that takes num_features from its first input."""

    cls_to_become = BatchNorm3d

    def _check_input_dim(self, input):
        _refuse(input, (5,))


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over all processes; without several of them it is that of its own batch."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, process_group=None, device=None, dtype=None,
                 *, bias=True):  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input):
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def _check_non_zero_input_channels(self, input):
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    def forward(self, input):
        self._check_input_dim(input)
        self._check_non_zero_input_channels(input)
        mean, var, own, momentum = self._statistics()
        return F.batch_norm(input, mean, var, self.weight, self.bias, own, momentum, self.eps)

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """The module with its BatchNorm layers replaced by SyncBatchNorm."""
        result = module
        if isinstance(module, _BatchNorm):
            result = cls(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats, process_group)
            if module.affine:
                with tallow.no_grad():
                    result.weight, result.bias = module.weight, module.bias
            result.running_mean, result.running_var = module.running_mean, module.running_var
            result.num_batches_tracked = module.num_batches_tracked
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result
