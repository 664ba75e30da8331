"""Linear regression by stochastic gradient descent, with a picture of the fit and of the loss: a program of a first PyTorch course.

    tallow run examples/python/linear_regression.py      (or: python, with PyTorch installed)"""

import common
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

WEIGHT, BIAS, NOISE = 27.5, 14.5, 10.0


def create_dataset(rows=100):
    x = torch.randn(rows, 1)
    y = WEIGHT * x + BIAS + NOISE * torch.randn(rows, 1)
    return x, y


def train(model, x, y, epochs):
    """The loss of every step."""
    loader = DataLoader(TensorDataset(x, y), batch_size=10, shuffle=True)
    criterion = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for epoch in (bar := common.Progress(range(epochs), "epochs")):
        for batch_x, batch_y in loader:
            loss = criterion(model(batch_x), batch_y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        mean = sum(losses[-len(loader) :]) / len(loader)
        bar.show(loss=mean)
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1}: mean loss {mean:.4f}")
    return losses


def draw(folder, losses, model, x, y):
    plt = common.plots()
    if plt is None:
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    left.plot(range(len(losses)), losses, linewidth=0.8)
    left.set(xlabel="step", ylabel="mean squared error of the batch", title="Training loss", yscale="log")
    left.grid()
    line = torch.linspace(x.min().item(), x.max().item(), 2).unsqueeze(1)
    right.scatter(x, y, s=12, label="data")
    right.plot(line, model(line).detach(), color="red", label="fit")
    right.plot(line, WEIGHT * line + BIAS, color="green", linestyle="--", label="truth")
    right.set(xlabel="x", ylabel="y", title="Data and fit")
    right.legend()
    right.grid()
    common.keep(figure, folder, "linear_regression.png")


def main():
    options = common.parser(__doc__).parse_args()
    torch.manual_seed(22)
    x, y = create_dataset()
    model = nn.Linear(1, 1)
    losses = train(model, x, y, epochs=12 if options.quick else 100)
    print(f"weight {model.weight.item():.4f} (truth {WEIGHT}), bias {model.bias.item():.4f} (truth {BIAS})")
    common.write_losses(options.out, "linear_regression", losses)
    draw(options.out, losses, model, x, y)


if __name__ == "__main__":
    main()
