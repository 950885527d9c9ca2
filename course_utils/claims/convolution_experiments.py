"""The experiments on the CNN auto-encoder (S15–S17): each takes the settings and a seed, and returns a Measurement."""

from __future__ import annotations

from functools import cache
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.claims.experiments import digits, images
from course_utils.claims.measuring import Measurement
from course_utils.layers import deconvolution, overlapping_sums
from course_utils.metrics import checkerboard_percent, count_parameters, sse_per_image
from course_utils.models import ConvAutoencoder, DeepAutoencoder, reconstruct
from course_utils.settings import Settings
from course_utils.training import Trainer

N_CODES = 30
CHANNELS = (8, 16)
BITS_OF_A_NUMBER = 32


def trained(model: nn.Module, name: str, seed: int, *, lr: float = 1e-3) -> nn.Module:
    """15 epochs in batches of 100 on 4,000 images; 5 in batches of 250 on 60,000."""
    x = images(name).train_images
    n_epochs, batch_size = (15, 100) if len(x) <= 10_000 else (5, 250)
    Trainer(model, lr=lr, batch_size=batch_size, seed=seed).fit(x, n_epochs=n_epochs)
    return model.cpu()


@cache
def conv_net(name: str, seed: int, unpool: str) -> ConvAutoencoder:
    """A trained CNN auto-encoder with a code of 30."""
    data = images(name)
    torch.manual_seed(seed)
    mean = data.train_images.mean(dim=0)
    model = ConvAutoencoder(data.image_shape, N_CODES, channels=CHANNELS, unpool=unpool, mean=mean)
    return trained(model, name, seed, lr=3e-3)


@cache
def dense_net(name: str, seed: int, hidden: tuple[int, ...]) -> DeepAutoencoder:
    """A trained dense auto-encoder with a code of 30."""
    data = images(name)
    torch.manual_seed(seed)
    model = DeepAutoencoder((data.n_features, *hidden, N_CODES), mean=data.train_images.mean(dim=0))
    return trained(model, name, seed)


def hidden_units_for(n_parameters: int, n_features: int) -> int:
    """h for which n_features-h-30 and back has about so many parameters."""
    return round((n_parameters - n_features - N_CODES) / (2 * n_features + 2 * N_CODES + 2))


def test_sse(name: str, model: nn.Module) -> float:
    """SSE per image on the test set."""
    x = images(name).test_images
    return sse_per_image(reconstruct(model, x), x).item()


@cache
def sse_by_positions(name: str, seed: int) -> dict[str, float]:
    """Test SSE of one net with its own positions and with wrong ones, and of its positions with an average code.

    swapped: each image is decoded with the positions of the next one; shuffled: with places drawn at random.
    """
    x, model = images(name).test_images, conv_net(name, seed, "positions")
    generator = torch.Generator().manual_seed(seed)
    following = torch.arange(len(x)).roll(-1)
    with torch.no_grad():
        z, positions = model.encode_with_positions(x)
        average = z.mean(dim=0).expand_as(z)
        decoded = {
            "right": model.decode(z, positions),
            "swapped": model.decode(z, [p[following] for p in positions]),
            "shuffled": model.decode(z, [p.shuffled(generator) for p in positions]),
            "right, average code": model.decode(average, positions),
        }
    return {name: sse_per_image(x_hat, x).item() for name, x_hat in decoded.items()}


# ------------------------------------------------------------------------------------ S15, one a row of the ledger


def conv_against_dense(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of the CNN with a code of 30, against 784-1000-500-250-30."""
    name = digits(cfg).name
    dense = test_sse(name, dense_net(name, seed, (1000, 500, 250)))
    return Measurement(test_sse(name, conv_net(name, seed, "repeat")), dense, name)


def conv_against_dense_of_its_size(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of the CNN with a code of 30, against a dense net with as many parameters."""
    name = digits(cfg).name
    conv = conv_net(name, seed, "repeat")
    hidden = hidden_units_for(count_parameters(conv), digits(cfg).n_features)
    return Measurement(test_sse(name, conv), test_sse(name, dense_net(name, seed, (hidden,))), name)


def transposed_against_repeat(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of the CNN that goes up by transposed convolutions, against repeating and convolving."""
    name = digits(cfg).name
    transposed, repeat = (test_sse(name, conv_net(name, seed, unpool)) for unpool in ("transposed", "repeat"))
    return Measurement(transposed, repeat, name)


# ------------------------------------------------------------------------------------ S16


def bits_of_positions(cfg: Settings, seed: int) -> Measurement:
    """Bits of the positions of one image, against those of its code."""
    model = ConvAutoencoder(digits(cfg).image_shape, N_CODES, channels=CHANNELS, unpool="positions")
    return Measurement(model.n_position_bits(), N_CODES * BITS_OF_A_NUMBER, digits(cfg).name)


def positions_against_repeat(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of unpooling with positions, against repeating, the code being equal."""
    name = digits(cfg).name
    return Measurement(sse_by_positions(name, seed)["right"], test_sse(name, conv_net(name, seed, "repeat")), name)


def swapped_positions(cfg: Settings, seed: int) -> Measurement:
    """Test SSE with another image's positions, against the right ones; series: all of sse_by_positions."""
    name = digits(cfg).name
    errors = sse_by_positions(name, seed)
    return Measurement(errors["swapped"], errors["right"], name, {kind: [sse] for kind, sse in errors.items()})


def shuffled_positions(cfg: Settings, seed: int) -> Measurement:
    """Test SSE with shuffled positions, against the right ones."""
    name = digits(cfg).name
    errors = sse_by_positions(name, seed)
    return Measurement(errors["shuffled"], errors["right"], name)


def positions_without_code(cfg: Settings, seed: int) -> Measurement:
    """Test SSE with the right positions and an average code, against the right code and random positions."""
    name = digits(cfg).name
    errors = sse_by_positions(name, seed)
    return Measurement(errors["right, average code"], errors["shuffled"], name)


# ------------------------------------------------------------------------------------ S17


def deconvolution_against_convolution(cfg: Settings, seed: int) -> Measurement:
    """Largest difference of `overlapping_sums` and torch's to `deconvolution`, in millionths: 200 random settings."""
    generator = torch.Generator().manual_seed(seed)

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    largest = 0.0
    for _ in range(200):
        stride, kernel_size, n = number(1, 3), number(1, 5), number(1, 8)
        x, kernel = torch.randn(n, generator=generator), torch.randn(kernel_size, generator=generator)
        stamped = overlapping_sums(x, kernel, stride=stride)
        convolved = deconvolution(x.view(1, 1, -1), kernel.view(1, 1, -1), stride=stride).flatten()
        largest = max(largest, (stamped - convolved).abs().max().item())
        options = {"stride": stride, "padding": number(0, (kernel_size - 1) // 2), "dilation": number(1, 2)}
        options["output_padding"] = number(0, max(options["stride"], options["dilation"]) - 1)
        plane = torch.randn(2, 3, n + 2, n + 3, generator=generator)
        weight = torch.randn(3, 4, kernel_size, kernel_size, generator=generator)
        gap = deconvolution(plane, weight, **options) - F.conv_transpose2d(plane, weight, **options)
        largest = max(largest, gap.abs().max().item())
    return Measurement(1e6 * largest, data="random numbers")


def transpose_identity(cfg: Settings, seed: int) -> Measurement:
    """|<conv(x), y> − <x, deconv(y)>|, of |conv(x)||y|, in 10⁻¹²: 100 random x and y."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64)
    x = torch.randn(100, 3, 9, 11, generator=generator, dtype=torch.float64)
    convolved = F.conv2d(x, weight, stride=2, padding=1)
    y = torch.randn(convolved.shape, generator=generator, dtype=torch.float64)
    back = deconvolution(y, weight, stride=2, padding=1)

    def inner(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).flatten(1).sum(dim=1)

    gap = (inner(convolved, y) - inner(x, back)).abs() / (inner(convolved, convolved) * inner(y, y)).sqrt()
    return Measurement(1e12 * gap.max().item(), data="random numbers")


def not_the_inverse(cfg: Settings, seed: int) -> Measurement:
    """Percent of the test digits' squared sum that deconv(conv(x)) misses at its best scale; mean of 20 3×3 kernels."""
    x, generator = digits(cfg).test_images, torch.Generator().manual_seed(seed)
    missed = []
    for _ in range(20):
        weight = torch.randn(1, 1, 3, 3, generator=generator)
        back = deconvolution(F.conv2d(x, weight, padding=1), weight, padding=1)
        scale = (back * x).sum() / (back * back).sum()
        missed.append(100 * ((scale * back - x).square().sum() / x.square().sum()).item())
    return Measurement(fmean(missed), data=digits(cfg).name)


UPSAMPLERS = {
    "transposed, 3×3": lambda c: nn.ConvTranspose2d(c, 1, 3, stride=2, padding=1, output_padding=1),
    "transposed, 4×4": lambda c: nn.ConvTranspose2d(c, 1, 4, stride=2, padding=1),
    "repeat, then 3×3": lambda c: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c, 1, 3, padding=1)),
}


@cache
def checkerboards(name: str, seed: int) -> dict[str, tuple[float, float]]:
    """% of checkerboard in what enlarges 14×14 digits: at the start, and after 5 epochs; mean of 5 starts."""
    data = images(name)
    x, x_test = data.train_images[:4000], data.test_images[:1000]
    found = {}
    for kind, make in UPSAMPLERS.items():
        before, after = [], []
        for start in range(5):
            torch.manual_seed(5 * seed + start)
            model = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), make(8))
            before.append(checkerboard_percent(reconstruct(model, x_test)))
            Trainer(model, batch_size=100, lr=3e-3, seed=seed).fit(x, n_epochs=5)
            after.append(checkerboard_percent(reconstruct(model, x_test)))
        found[kind] = fmean(before), fmean(after)
    return found


def checkerboard_at_start(cfg: Settings, seed: int) -> Measurement:
    """% of checkerboard at the start, transposed 3×3 with stride 2, against repeating; series: all kinds."""
    name = digits(cfg).name
    found = checkerboards(name, seed)
    series = {kind: list(both) for kind, both in found.items()}
    return Measurement(found["transposed, 3×3"][0], found["repeat, then 3×3"][0], name, series)


def checkerboard_after_training(cfg: Settings, seed: int) -> Measurement:
    """% of checkerboard after training, transposed 3×3 with stride 2, against the digits themselves."""
    name = digits(cfg).name
    of_digits = checkerboard_percent(digits(cfg).test_images[:1000])
    return Measurement(checkerboards(name, seed)["transposed, 3×3"][1], of_digits, name)
