"""Functions of torch.nn.functional that are made of ops of the table."""

import tallow


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of weight by index."""
    if weight.dim() != 2:
        raise RuntimeError("'weight' must be 2-D")
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embedding: max_norm, scale_grad_by_freq and sparse are not implemented")
    if padding_idx is not None:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        index = padding_idx % rows
        keep = (tallow.arange(rows, device=weight.device) != index).unsqueeze(1)
        weight = tallow.where(keep, weight, weight.detach())  # the row gets no gradient
    return weight.index_select(0, input.reshape(-1)).reshape(*input.shape, weight.size(1))


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """input over its norm along dim."""
    result = input / input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return result if out is None else out.copy_(result)
