"""torch.utils.data: data sets, the order in which they are read, and batches."""

from tallow._absent import getters as _getters
from tallow.utils.data._utils.collate import default_collate as default_collate, default_convert as default_convert
from tallow.utils.data._utils.worker import get_worker_info as get_worker_info
from tallow.utils.data.dataloader import DataLoader as DataLoader
from tallow.utils.data.dataset import (
    ChainDataset as ChainDataset,
    ConcatDataset as ConcatDataset,
    Dataset as Dataset,
    IterableDataset as IterableDataset,
    StackDataset as StackDataset,
    Subset as Subset,
    TensorDataset as TensorDataset,
    random_split as random_split,
)
from tallow.utils.data.sampler import (
    BatchSampler as BatchSampler,
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
    SubsetRandomSampler as SubsetRandomSampler,
    WeightedRandomSampler as WeightedRandomSampler,
)


_absent_getattr, _absent_dir = _getters(__name__)


def __getattr__(name):
    if name in ("DistributedSampler", "distributed"):
        import importlib

        module = importlib.import_module("tallow.utils.data.distributed")
        return module if name == "distributed" else module.DistributedSampler
    return _absent_getattr(name)


def __dir__():
    return sorted({*_absent_dir(), "DistributedSampler"})
