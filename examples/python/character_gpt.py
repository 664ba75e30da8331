"""A small GPT that reads the language reference that comes with Python, character by character, and then writes some of its own.

    tallow run examples/python/character_gpt.py      (or: python, with PyTorch installed)"""

import common
import corpus
import torch
import torch.nn.functional as F
from torch import nn, optim


class Norm(nn.Module):
    """Divides by the root of the mean square, then scales (Zhang and Sennrich, 2019)."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Attention(nn.Module):
    """Each position looks at those before it."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (batch, heads, length, width / heads)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.norm1, self.attention = Norm(width), Attention(width, heads)
        self.norm2 = Norm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, width, heads, layers, dropout=0.0):
        super().__init__()
        self.context = context
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads, dropout) for _ in range(layers)])
        self.norm = Norm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.apply(self._init)
        self.tokens.weight = self.head.weight  # one matrix for both

    @staticmethod
    def _init(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x)))  # (batch, length, vocabulary)

    @torch.no_grad()
    def generate(self, tokens, count, temperature=0.8):
        self.eval()
        for _ in range(count):
            scores = self(tokens[:, -self.context :])[:, -1] / temperature
            tokens = torch.cat([tokens, torch.multinomial(F.softmax(scores, dim=-1), 1)], dim=1)
        return tokens


def train(model, data, steps, batch, rate):
    """The loss of every step."""
    optimizer = optim.AdamW(model.parameters(), lr=rate, weight_decay=0.1)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 50) * (1 - 0.9 * step / steps))
    losses = []
    model.train()
    for step in (bar := common.Progress(range(steps), "steps")):
        starts = torch.randint(len(data) - model.context - 1, (batch,))
        x = torch.stack([data[s : s + model.context] for s in starts.tolist()])
        y = torch.stack([data[s + 1 : s + 1 + model.context] for s in starts.tolist()])
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.show(loss=losses[-1])
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: loss {losses[-1]:.4f}")
    return losses


def draw(folder, losses):
    plt = common.plots()
    if plt is None:
        return
    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot(losses, linewidth=0.8)
    axes.set(xlabel="step", ylabel="cross-entropy per character", title="Training loss")
    common.keep(figure, folder, "character_gpt.png")


def main():
    options = common.parser(__doc__).parse_args()
    text = corpus.text()
    letters = sorted(set(text))
    number = {letter: i for i, letter in enumerate(letters)}
    data = torch.tensor([number[letter] for letter in text])
    print(f"{len(data)} characters, {len(letters)} different ones")

    torch.manual_seed(1337)
    size = dict(context=32, width=32, heads=2, layers=2) if options.quick else dict(context=64, width=128, heads=4, layers=4)
    model = GPT(len(letters), **size)
    losses = train(model, data, steps=120 if options.quick else 2000, batch=8 if options.quick else 16, rate=1e-3)
    common.write_losses(options.out, "character_gpt", losses)
    draw(options.out, losses)
    written = model.generate(data[:8].unsqueeze(0), 60 if options.quick else 500)
    print("".join(letters[i] for i in written[0].tolist()))


if __name__ == "__main__":
    main()
