"""Prints hashes of the bits of big operations and of a short training run in Python. Run as a program, in a process of its own, so that
TALLOW_NUM_THREADS and TALLOW_CPU apply: test_bits.py compares the lines of several runs."""

import hashlib
import sys

import samples
import tallow as torch
from tallow import nn

INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def absorb(hash_, tensor):
    tensor = tensor.detach().contiguous()
    hash_.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    size = tensor.element_size()
    flat = tensor.reshape(-1)
    hash_.update(repr((flat if tensor.dtype == torch.bool else flat.view(INTEGERS[size])).tolist()).encode())


def hash_of_big_ops():
    """Sizes at which work is split between threads."""
    hash_ = hashlib.sha256()
    x = samples.numbers((300, 301), 5)
    y = samples.numbers((301, 290), 6)
    for result in (x @ y, x.sum(), x.sum(0), x.exp() + x.tanh() * x.sigmoid(), x.log_softmax(1), torch.cat([x] * 3).cumsum(0)):
        absorb(hash_, result)
    big = torch.cat([x.reshape(-1)] * 12)
    for result in (big.sum(), big.mean(), big.exp(), big.argmax(), big * 2 + 1):
        absorb(hash_, result)
    return hash_.hexdigest()


def hash_of_training():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 36, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x, y = samples.numbers((16, 1, 12, 12), 4), torch.tensor([i % 10 for i in range(16)])
    hash_ = hashlib.sha256()
    for _ in range(5):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        absorb(hash_, loss)
    for parameter in model.parameters():
        absorb(hash_, parameter)
    return hash_.hexdigest()


if __name__ == "__main__":
    print("big", hash_of_big_ops())
    print("training", hash_of_training())
    sys.stdout.flush()
