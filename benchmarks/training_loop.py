"""The course's Trainer beside its peers, in one run: images a second for one epoch of the same auto-encoder.

    make bench      or      python benchmarks/training_loop.py [--repeats 5]

All train the same two nets on the same 4,000 digits, squared error, Adam at its default learning rate, the loop's own
defaults otherwise. The contestants take turns in every round, so that a busy machine disturbs all alike; the median
over the rounds is printed. A peer that is not installed is left out, with a line that says so.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from course_utils.data import load_images
from course_utils.metrics import sse_per_image
from course_utils.models import DeepAutoencoder
from course_utils.training import Trainer

SETTINGS = [((784, 1000, 500, 250, 30), 250), ((784, 128, 64, 2), 128)]
X = load_images("mnist-5k").train_images
MEAN = X.mean(dim=0)

Epoch = Callable[[], object]


def ours(model: torch.nn.Module, batch_size: int) -> Epoch:
    trainer = Trainer(model, batch_size=batch_size, schedule="constant")
    return lambda: trainer.fit(X, n_epochs=1)


def bare_loop(model: torch.nn.Module, batch_size: int) -> Epoch:
    """The least that trains: tensors, torch's default Adam, nothing recorded or checked."""
    optimizer = torch.optim.Adam(model.parameters())

    def epoch() -> None:
        for chosen in torch.randperm(len(X)).split(batch_size):
            x = X[chosen]
            loss = sse_per_image(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


class PilDigits(Dataset):
    """What torchvision's MNIST with `ToTensor` does for each image: array → PIL → tensor."""

    def __init__(self) -> None:
        from torchvision.transforms import ToTensor

        self.pixels = (X * 255).round().to(torch.uint8)[:, 0].numpy()
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        from PIL import Image

        return self.transform(Image.fromarray(self.pixels[index]))


def tutorial_loop(model: torch.nn.Module, batch_size: int) -> Epoch:
    """The loop of most tutorials: DataLoader over a data set of pictures."""
    loader = DataLoader(PilDigits(), batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters())

    def epoch() -> None:
        for x in loader:
            loss = sse_per_image(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def skorch(model: torch.nn.Module, batch_size: int) -> Epoch:
    from skorch import NeuralNet

    class SSE(torch.nn.Module):
        def forward(self, x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return sse_per_image(x_hat, x)

    net = NeuralNet(
        model, criterion=SSE, optimizer=torch.optim.Adam, lr=1e-3, batch_size=batch_size,
        iterator_train__shuffle=True, train_split=None, max_epochs=1, verbose=0,
    )  # fmt: skip
    net.initialize()
    return lambda: net.partial_fit(X, X)


def lightning(model: torch.nn.Module, batch_size: int) -> Epoch:
    import lightning as L

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = model

        def training_step(self, batch: list[torch.Tensor], _index: int) -> torch.Tensor:
            return sse_per_image(self.net(batch[0]), batch[0])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

    loader = DataLoader(TensorDataset(X), batch_size=batch_size, shuffle=True)
    quiet = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
    }
    return lambda: L.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(Module(), loader)


CONTESTANTS = {
    "course_utils.Trainer": ours,
    "bare loop over tensors": bare_loop,
    "skorch": skorch,
    "Lightning": lightning,
    "tutorial: DataLoader, PIL, ToTensor": tutorial_loop,
}
NEEDS = {"skorch": "skorch", "Lightning": "lightning"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    warnings.filterwarnings("ignore")  # peers warn of too few workers, of unused features, …
    missing = [name for name, package in NEEDS.items() if find_spec(package) is None]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; images a second, median of {repeats} epochs")
    for sizes, batch_size in SETTINGS:
        epochs = {}
        for name, build in CONTESTANTS.items():
            if name not in missing:
                torch.manual_seed(0)
                epochs[name] = build(DeepAutoencoder(sizes, mean=MEAN), batch_size)
                epochs[name]()  # warm up
        speed: dict[str, list[float]] = {name: [] for name in epochs}
        for _ in range(repeats):
            for name, epoch in epochs.items():
                start = time.perf_counter()
                epoch()
                speed[name].append(len(X) / (time.perf_counter() - start))
        print(f"\n{'-'.join(map(str, sizes))}, batches of {batch_size}")
        for name, values in speed.items():
            print(f"  {name:36} {statistics.median(values):>8,.0f}")
    for name in missing:
        print(f"\n{name} is not installed (pip install -e '.[bench]')")


if __name__ == "__main__":
    main()
