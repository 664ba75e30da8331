"""Policy gradient (REINFORCE, Williams 1992): a network learns to balance a pole on a cart. The cart is in this file, so nothing else is
needed; its equations are those of Barto, Sutton and Anderson (1983).

    tallow run examples/python/policy_gradient.py      (or: python, with PyTorch installed)"""

import math
import random

import common
import torch
import torch.nn.functional as F
from torch import nn, optim


class CartPole:
    """A cart is pushed left (0) or right (1), 50 times a second. Each step that the pole stands earns 1."""

    GRAVITY, CART, POLE, HALF_LENGTH, FORCE, STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    FARTHEST, WIDEST, LONGEST = 2.4, 12 * math.pi / 180, 500

    def __init__(self, seed):
        self._random = random.Random(seed)

    def reset(self):
        """Position, speed, angle, angular speed: all near zero."""
        self._time, self._state = 0, [self._random.uniform(-0.05, 0.05) for _ in range(4)]
        return list(self._state)

    def step(self, action):
        """The new state, and whether the episode is over."""
        x, speed, angle, turn = self._state
        force = self.FORCE if action == 1 else -self.FORCE
        sine, cosine, total = math.sin(angle), math.cos(angle), self.CART + self.POLE
        push = (force + self.POLE * self.HALF_LENGTH * turn**2 * sine) / total
        spin = (self.GRAVITY * sine - cosine * push) / (self.HALF_LENGTH * (4 / 3 - self.POLE * cosine**2 / total))
        pull = push - self.POLE * self.HALF_LENGTH * spin * cosine / total
        self._state = [x + self.STEP * speed, speed + self.STEP * pull, angle + self.STEP * turn, turn + self.STEP * spin]
        self._time += 1
        fallen = abs(self._state[0]) > self.FARTHEST or abs(self._state[2]) > self.WIDEST
        return list(self._state), fallen or self._time >= self.LONGEST


class Policy(nn.Module):
    def __init__(self, hidden=128):
        super().__init__()
        self.linear1 = nn.Linear(4, hidden)
        self.linear2 = nn.Linear(hidden, 2)

    def forward(self, x):
        x = F.relu(self.linear1(x))
        return F.log_softmax(self.linear2(x), dim=1)


def play(environment, policy):
    """Plays an episode: the logarithms of the probabilities of what was done."""
    state, over, chosen = environment.reset(), False, []
    while not over:
        scores = policy(torch.tensor(state).unsqueeze(0))
        action = torch.multinomial(scores.exp(), 1)
        chosen.append(scores.gather(1, action).squeeze())
        state, over = environment.step(action.item())
    return torch.stack(chosen)


def returns(steps, gamma=0.99):
    """What each step earns from there on, discounted, with mean 0 and deviation 1."""
    total, earned = 0.0, []
    for _ in range(steps):
        total = 1 + gamma * total
        earned.append(total)
    earned = torch.tensor(earned[::-1])
    return (earned - earned.mean()) / (earned.std() + 1e-8)


def train(policy, episodes):
    """The loss and the length of every episode."""
    environment = CartPole(seed=543)
    optimizer = optim.Adam(policy.parameters(), lr=3e-3)
    losses, lengths, running = [], [], 10.0
    for episode in (bar := common.Progress(range(episodes), "episodes")):
        chosen = play(environment, policy)
        loss = -(chosen * returns(len(chosen))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        lengths.append(len(chosen))
        running = 0.05 * len(chosen) + 0.95 * running
        bar.show(running=running)
        if (episode + 1) % 50 == 0:
            print(f"episode {episode + 1}: {len(chosen)} steps, running mean {running:.1f}, loss {losses[-1]:.4f}")
        if running > 475:
            print(f"solved after {episode + 1} episodes")
            break
    return losses, lengths


def draw(folder, lengths):
    plt = common.plots()
    if plt is None:
        return
    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot(lengths, linewidth=0.6)
    axes.set(xlabel="episode", ylabel="steps until the pole falls", title="Balancing a pole")
    common.keep(figure, folder, "policy_gradient.png")


def main():
    options = common.parser(__doc__).parse_args()
    torch.manual_seed(543)
    losses, lengths = train(Policy(), episodes=100 if options.quick else 600)
    common.write_losses(options.out, "policy_gradient", losses)
    draw(options.out, lengths)


if __name__ == "__main__":
    main()
