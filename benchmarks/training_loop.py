"""The course's Trainer beside its peers, in one run: samples a second for one epoch of the same model.

    make bench      or      python benchmarks/training_loop.py [--repeats 5]

All train the same four models: a deep and a small auto-encoder and a CNN on 4,000 digits, and the auto-encoder of word
counts on the offline documents. Adam at its default learning rate, the loop's own defaults otherwise. The contestants
take turns in every round, so that a busy machine disturbs all alike; the median over the rounds is printed, with the
share of the peak: the floating-point operations of the layers (forward and backward) in a second, of those that this
machine reached in the same run when it multiplied matrices of 1024 × 1024. Peak memory is what a process
of its own took for two epochs, above imports and data. A peer that is not installed is left out, with a line that says
so. The figures are written into benchmarks/results/training_loop.json.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from report import save
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from course_utils.data import TextData, load_corpus, load_images
from course_utils.metrics import nats_per_word, sse_per_image
from course_utils.models import ConvAutoencoder, DeepAutoencoder, TextAutoencoder
from course_utils.text_search import Documents
from course_utils.training import Data, Trainer
from tools.notebooks import peak_mb

N_DIGITS, PEAK_SIZE = 4_000, 1024
Epoch = Callable[[], object]


@dataclass(frozen=True)
class Task:
    """What all contestants train.

    Parameters
    ----------
    build
        Makes the model.
    x
        The samples, each its own target.
    loss
        `loss(output, target)`.
    batch_size
        Samples a step.
    """

    build: Callable[[], nn.Module]
    x: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    batch_size: int

    @property
    def are_images(self) -> bool:
        return self.x.ndim == 4


def dense(*sizes: int, batch_size: int) -> Task:
    x = load_images("mnist-5k").train_images[:N_DIGITS]
    return Task(lambda: DeepAutoencoder(sizes, mean=x.mean(dim=0)), x, sse_per_image, batch_size)


def cnn() -> Task:
    x = load_images("mnist-5k").train_images[:N_DIGITS]
    return Task(lambda: ConvAutoencoder((1, 28, 28), 30, mean=x.mean(dim=0)), x, sse_per_image, 100)


def words() -> Task:
    corpus = load_corpus("python-docs")
    assert isinstance(corpus, TextData)
    x = torch.from_numpy(Documents.of(corpus).collection.toarray()).float()
    sizes = (x.shape[1], 500, 250, 125, 10)
    return Task(lambda: TextAutoencoder(sizes, word_counts=x.sum(dim=0)), x, nats_per_word, 100)


TASKS: dict[str, Callable[[], Task]] = {
    "784-1000-500-250-30, batches of 250": lambda: dense(784, 1000, 500, 250, 30, batch_size=250),
    "784-128-64-2, batches of 128": lambda: dense(784, 128, 64, 2, batch_size=128),
    "CNN with a code of 30, batches of 100": cnn,
    "words-500-250-125-10, batches of 100": words,
}


def ours(task: Task, model: nn.Module, data: Data | None = None) -> Epoch:
    trainer = Trainer(model, loss=task.loss, batch_size=task.batch_size, schedule="constant", value_range=None)
    return lambda: trainer.fit(task.x if data is None else data, n_epochs=1)


def ours_from_a_dataset(task: Task, model: nn.Module) -> Epoch:
    """As data come that do not fit the memory: sample by sample."""
    return ours(task, model, TensorDataset(task.x))


def ours_with_workers(task: Task, model: nn.Module) -> Epoch:
    loader = DataLoader(TensorDataset(task.x), task.batch_size, shuffle=True, num_workers=2, persistent_workers=True)
    return ours(task, model, loader)


def bare_loop(task: Task, model: nn.Module) -> Epoch:
    """The least that trains: tensors, torch's default Adam, nothing recorded or checked."""
    optimizer = torch.optim.Adam(model.parameters())

    def epoch() -> None:
        for chosen in torch.randperm(len(task.x)).split(task.batch_size):
            x = task.x[chosen]
            loss = task.loss(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


class PilDigits(Dataset):
    """What torchvision's MNIST with `ToTensor` does for each image: array → PIL → tensor."""

    def __init__(self, x: Tensor) -> None:
        from torchvision.transforms import ToTensor

        self.pixels = (x * 255).round().to(torch.uint8)[:, 0].numpy()
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        from PIL import Image

        return self.transform(Image.fromarray(self.pixels[index]))


def tutorial_loop(task: Task, model: nn.Module) -> Epoch:
    """The loop of most tutorials: DataLoader over a data set of pictures."""
    loader = DataLoader(PilDigits(task.x), batch_size=task.batch_size, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters())

    def epoch() -> None:
        for x in loader:
            loss = task.loss(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def skorch(task: Task, model: nn.Module) -> Epoch:
    from skorch import NeuralNet

    class Criterion(nn.Module):
        def forward(self, output: Tensor, x: Tensor) -> Tensor:
            return task.loss(output, x)

    net = NeuralNet(
        model, criterion=Criterion, optimizer=torch.optim.Adam, lr=1e-3, batch_size=task.batch_size,
        iterator_train__shuffle=True, train_split=None, max_epochs=1, verbose=0,
    )  # fmt: skip
    net.initialize()
    return lambda: net.partial_fit(task.x, task.x)


def lightning(task: Task, model: nn.Module) -> Epoch:
    import lightning as L

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = model

        def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
            return task.loss(self.net(batch[0]), batch[0])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

    loader = DataLoader(TensorDataset(task.x), batch_size=task.batch_size, shuffle=True)
    quiet = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
    }
    return lambda: L.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(Module(), loader)


def keras(task: Task, model: nn.Module) -> Epoch:
    """Keras on torch, with the same module in its own layer, and its own loop."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as K

    net = K.Sequential([K.layers.TorchModuleWrapper(model)])
    net.compile(optimizer=K.optimizers.Adam(1e-3), loss=lambda x, output: task.loss(output, x))
    return lambda: net.fit(task.x, task.x, batch_size=task.batch_size, epochs=1, verbose=0)


CONTESTANTS: dict[str, Callable[[Task, nn.Module], Epoch]] = {
    "course_utils.Trainer": ours,
    "the same, from a Dataset": ours_from_a_dataset,
    "the same, with two workers": ours_with_workers,
    "bare loop over tensors": bare_loop,
    "skorch": skorch,
    "Lightning": lightning,
    "Keras on torch": keras,
    "tutorial: DataLoader, PIL, ToTensor": tutorial_loop,
}
NEEDS = {"skorch": "skorch", "Lightning": "lightning", "Keras on torch": "keras"}
ARE_FOR_IMAGES = ("tutorial: DataLoader, PIL, ToTensor",)


def contestants_for(task: Task) -> list[str]:
    installed = [name for name in CONTESTANTS if name not in NEEDS or find_spec(NEEDS[name])]
    return [name for name in installed if task.are_images or name not in ARE_FOR_IMAGES]


def started(name: str, task: Task) -> Epoch:
    torch.manual_seed(0)
    return CONTESTANTS[name](task, task.build())


def operations_a_sample(task: Task) -> float:
    """Floating-point operations of the layers, forward and backward."""
    model, x = task.build(), task.x[: task.batch_size]
    with FlopCounterMode(display=False) as counter:
        task.loss(model(x), x).backward()
    return counter.get_total_flops() / len(x)


def matrix_multiplications(seconds: float = 0.3) -> float:
    """The most floating-point operations a second that matrices of PEAK_SIZE gave in that time."""
    a, b, out = (torch.rand(PEAK_SIZE, PEAK_SIZE) for _ in range(3))
    best, begin = 0.0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        best = max(best, 2 * PEAK_SIZE**3 / (time.perf_counter() - start))
    return best


def peak_megabytes(name: str, task_name: str) -> float:
    """What two epochs take above imports and data, in a process of their own."""
    command = [sys.executable, __file__, "--memory-of", name, task_name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def print_memory(name: str, task_name: str) -> None:
    task = TASKS[task_name]()
    started(name, task)  # imports the peer
    before = peak_mb(os.getpid(), anew=True)
    epoch = started(name, task)
    for _ in range(2):
        epoch()
    print(peak_mb(os.getpid()) - before)


def measured(task_name: str, repeats: int) -> dict[str, Any]:
    task = TASKS[task_name]()
    epochs = {name: started(name, task) for name in contestants_for(task)}
    for epoch in epochs.values():
        epoch()  # warm up
    speed: dict[str, list[float]] = {name: [] for name in epochs}
    peaks = []
    for _ in range(repeats):
        peaks.append(matrix_multiplications())
        for name, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            speed[name].append(len(task.x) / (time.perf_counter() - start))
    operations, peak = operations_a_sample(task), max(peaks)
    return {
        "peak GFLOP/s": peak / 1e9,
        "MFLOP a sample": operations / 1e6,
        "contestants": {
            name: {"samples a second": statistics.median(values), "all rounds": values,
                   "% of the peak": 100 * statistics.median(values) * operations / peak,
                   "MB": peak_megabytes(name, task_name)}
            for name, values in speed.items()
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory-of", nargs=2, metavar=("NAME", "TASK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # peers warn of too few workers, of unused features, …
    if options.memory_of:
        print_memory(*options.memory_of)
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median of {options.repeats} epochs")
    results = {}
    for task_name in TASKS:
        results[task_name] = found = measured(task_name, options.repeats)
        print(f"\n{task_name}: {found['MFLOP a sample']:.2f} MFLOP a sample; peak {found['peak GFLOP/s']:.0f} GFLOP/s")
        print(f"  {'':36} {'samples/s':>10} {'% of peak':>10} {'MB':>7}")
        for name, numbers in found["contestants"].items():
            speed, share, memory = (numbers[key] for key in ("samples a second", "% of the peak", "MB"))
            print(f"  {name:36} {speed:>10,.0f} {share:>10.0f} {memory:>7.0f}", flush=True)
    for name, package in NEEDS.items():
        if not find_spec(package):
            print(f"\n{name} is not installed (pip install -e '.[bench]')")
    print(f"\n{save('training_loop', results)}")


if __name__ == "__main__":
    main()
