"""What the examples share: options, a progress bar where tqdm is there, and files for losses and pictures."""

import argparse
import os


def parser(text):
    """Options that every example has."""
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--out", metavar="DIR", default="out", help="where pictures, losses and checkpoints go (default: out)")
    made.add_argument("--quick", action="store_true", help="a small model and few steps, to see that it works")
    return made


class Progress:
    """A loop with a progress bar: for i in (bar := Progress(range(10), "epoch 1")): ...; bar.show(loss=0.5)."""

    def __init__(self, steps, title):
        try:
            from tqdm import tqdm

            self._steps = self._bar = tqdm(steps, desc=title)
        except ImportError:
            self._steps, self._bar = steps, None

    def __iter__(self):
        return iter(self._steps)

    def show(self, **values):
        """Puts numbers behind the bar."""
        if self._bar is not None:
            self._bar.set_postfix({name: f"{value:.4f}" for name, value in values.items()}, refresh=False)


def write_losses(folder, name, losses):
    """One loss a line, exactly, in NAME-losses.txt."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{name}-losses.txt"), "w") as file:
        file.writelines(f"{loss.hex()}\n" for loss in losses)


def plots():
    """matplotlib.pyplot, drawing to files; None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        print("matplotlib is not installed: no pictures")
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def keep(figure, folder, name):
    """Writes a figure."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")
