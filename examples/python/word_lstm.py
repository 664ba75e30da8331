"""A language model of words: an LSTM reads the language reference that comes with Python, and then writes some of its own.

    tallow run examples/python/word_lstm.py      (or: python, with PyTorch installed)"""

import collections
import math
import re

import common
import corpus
import torch
import torch.nn.functional as F
from torch import nn, optim


class Words:
    """The most frequent words and marks by number; 0 is all the others."""

    def __init__(self, text, limit):
        found = re.findall(r"\w+|[^\w\s]|\n", text)
        frequent = [word for word, _ in collections.Counter(found).most_common(limit - 1)]
        self.words = ["<other>", *frequent]
        number = {word: i for i, word in enumerate(self.words)}
        self.data = torch.tensor([number.get(word, 0) for word in found])


class Model(nn.Module):
    def __init__(self, vocabulary, width, layers, dropout):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, layers, dropout=dropout if layers > 1 else 0.0)
        self.decoder = nn.Linear(width, vocabulary)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, tokens, state=None):
        output, state = self.lstm(self.drop(self.encoder(tokens)), state)
        return self.decoder(self.drop(output)), state  # (length, batch, vocabulary)


def train(model, data, epochs, batch, length, limit):
    """The loss of every step. The text is read in `batch` columns at once; the state goes on from one piece to the next."""
    rows = len(data) // batch
    columns = data[: rows * batch].view(batch, rows).t().contiguous()
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    model.train()
    for epoch in range(epochs):
        state, first = None, len(losses)
        starts = range(0, rows - 1 - length, length)[:limit]
        for start in (bar := common.Progress(starts, f"epoch {epoch + 1}/{epochs}")):
            x, y = columns[start : start + length], columns[start + 1 : start + 1 + length]
            scores, state = model(x, state)
            state = tuple(part.detach() for part in state)
            loss = F.cross_entropy(scores.flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            optimizer.step()
            losses.append(loss.item())
            bar.show(loss=losses[-1])
        mean = sum(losses[first:]) / len(losses[first:])
        print(f"epoch {epoch + 1}: mean loss {mean:.4f}, perplexity {math.exp(mean):.1f}")
    return losses


@torch.no_grad()
def write(model, words, count):
    model.eval()
    token, state, text = torch.randint(len(words), (1, 1)), None, []
    for _ in range(count):
        scores, state = model(token, state)
        token = torch.multinomial(F.softmax(scores.flatten() / 0.8, dim=-1), 1).view(1, 1)
        text.append(words[token.item()])
    return re.sub(r" ?\n ?", "\n", " ".join(text))


def draw(folder, losses):
    plt = common.plots()
    if plt is None:
        return
    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot(losses, linewidth=0.8)
    axes.set(xlabel="step", ylabel="cross-entropy per word", title="Training loss")
    common.keep(figure, folder, "word_lstm.png")


def main():
    options = common.parser(__doc__).parse_args()
    text = Words(corpus.text(), limit=500 if options.quick else 3000)
    print(f"{len(text.data)} words, {len(text.words)} different ones")

    torch.manual_seed(1111)
    model = Model(len(text.words), width=24 if options.quick else 128, layers=2, dropout=0.2)
    losses = train(model, text.data, epochs=1 if options.quick else 4, batch=10, length=10 if options.quick else 35, limit=120 if options.quick else None)
    common.write_losses(options.out, "word_lstm", losses)
    draw(options.out, losses)
    print(write(model, text.words, 30 if options.quick else 200))


if __name__ == "__main__":
    main()
