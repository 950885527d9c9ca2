"""Chapter 6, S15 to S17: the CNN auto-encoder, unpooling with positions, and deconvolution."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from statistics import fmean
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.claims.rows import BOTH, CHAPTER, SSE, Measurement, row
from course_utils.claims.shared import (
    NoData,
    by_size,
    deep_autoencoder,
    fitted_probe,
    pca_sse_of_each,
    right_of_each,
    test_sse_of_each,
    trained,
)
from course_utils.claims.verdicts import compared_by_item
from course_utils.data import ImageData
from course_utils.inference import encode_all, reconstruct
from course_utils.layers import deconvolution, overlapping_sums
from course_utils.metrics import checkerboard_percent, count_parameters, sse_of_each_image
from course_utils.models import ConvAutoencoder, DeepAutoencoder
from course_utils.training import Trainer

N_CODES = 30
CHANNELS, DENSE = (8, 16), (1000, 500, 250)
# With transposed convolutions as many multiplications an image as 784-1000-500-250-30 and back: 2.83 million.
CHANNELS_OF_EQUAL_COST = (16, 61)
# Chosen on the validation split of the quick profile, among 0.003 to 0.05 for the CNNs, 0.001 to 0.03 for the small
# dense net, 0.0005 to 0.002 for the large one, whose smaller batches bear half of it. A code of one number wants less.
LR_CONV, LR_ONE_NUMBER = 2e-2, 1e-2
LR_SMALL_DENSE, LR_DENSE, LR_DENSE_OF_EQUAL_COST = 2e-2, 1e-3, 5e-4
BITS_OF_A_NUMBER = 32
CHECKERBOARD = "% of the variance"
UPSAMPLERS = {
    "transposed, 3×3": lambda c: nn.ConvTranspose2d(c, 1, 3, stride=2, padding=1, output_padding=1),
    "transposed, 4×4": lambda c: nn.ConvTranspose2d(c, 1, 4, stride=2, padding=1),
    "repeat, then 3×3": lambda c: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c, 1, 3, padding=1)),
}


Unpooling = Literal["repeat", "positions", "transposed"]


def options_for(data: ImageData, seed: int) -> dict[str, Any]:
    """Pick 15 epochs in batches of 100 for 4,000 images, 5 in batches of 250 for 60,000."""
    n_epochs, batch_size = by_size(data, small=(15, 100), large=(5, 250))
    return {"n_epochs": n_epochs, "batch_size": batch_size, "seed": seed}


def conv_autoencoder(
    data: ImageData, unpool: Unpooling, *, n_codes: int = N_CODES, channels: tuple[int, ...] = CHANNELS
) -> ConvAutoencoder:
    """Build a CNN auto-encoder whose output starts at the mean of the training images."""
    mean = data.train_images.mean(dim=0)
    return ConvAutoencoder(data.image_shape, n_codes, channels=channels, unpool=unpool, mean=mean)


@cache
def conv_net(data: ImageData, seed: int, unpool: Unpooling) -> ConvAutoencoder:
    """Train a CNN auto-encoder with a code of 30."""
    return trained(lambda: conv_autoencoder(data, unpool), data.train_images, lr=LR_CONV, **options_for(data, seed))


@cache
def dense_net(data: ImageData, seed: int, hidden: tuple[int, ...], lr: float) -> DeepAutoencoder:
    """Train a dense auto-encoder with a code of 30."""
    sizes = (data.n_features, *hidden, N_CODES)
    return trained(lambda: deep_autoencoder(data, sizes), data.train_images, lr=lr, **options_for(data, seed))


def hidden_units_for(n_parameters: int, n_features: int) -> int:
    """Find h for which n_features-h-30 and back has about so many parameters."""
    return round((n_parameters - n_features - N_CODES) / (2 * n_features + 2 * N_CODES + 2))


@row("conv-beats-dense", "S15",
     "At an equal code size the CNN auto-encoder restores better than the dense one.",
     quantity="code of 30: CNN, against 784-1000-500-250-30", unit=SSE, relation="<", seeds=(5, 3))  # fmt: skip
def conv_against_dense(digits: ImageData, seed: int) -> Measurement:
    """Compare the CNN with a deep dense net."""
    nets = conv_net(digits, seed, "repeat"), dense_net(digits, seed, DENSE, LR_DENSE)
    return compared_by_item(test_sse_of_each(digits, net) for net in nets)


@row("conv-beats-dense-of-its-size", "S15",
     "At an equal code size and number of parameters the CNN auto-encoder restores better.",
     quantity="code of 30: CNN, against a dense net with as many parameters",
     unit=SSE, relation="<", reproduced=BOTH)  # fmt: skip
def conv_against_dense_of_its_size(digits: ImageData, seed: int) -> Measurement:
    """Compare the CNN with a dense net that has as many parameters."""
    conv = conv_net(digits, seed, "repeat")
    hidden = hidden_units_for(count_parameters(conv), digits.n_features)
    nets = conv, dense_net(digits, seed, (hidden,), LR_SMALL_DENSE)
    return compared_by_item(test_sse_of_each(digits, net) for net in nets)


def nets_of_equal_cost(data: ImageData) -> dict[float, Callable[[], nn.Module]]:
    """List a CNN and a dense net that multiply as often: learning rate → what builds the net."""
    return {
        LR_CONV: lambda: conv_autoencoder(data, "transposed", channels=CHANNELS_OF_EQUAL_COST),
        LR_DENSE_OF_EQUAL_COST: lambda: deep_autoencoder(data, (data.n_features, *DENSE, N_CODES)),
    }


@row("conv-beats-dense-of-its-cost", "S15",
     "At an equal code size and number of multiplications the CNN auto-encoder restores better.",
     quantity="code of 30: CNN of 16 and 61 channels, transposed convolutions, against 784-1000-500-250-30, "
     "both in smaller batches",
     unit=SSE, relation="<", seeds=(5, 3))  # fmt: skip
def conv_against_dense_of_its_cost(digits: ImageData, seed: int) -> Measurement:
    """Compare a CNN with a dense net that multiplies as often; both take 1,200 to 4,800 steps."""
    n_epochs, batch_size = by_size(digits, small=(15, 50), large=(8, 100))
    options: dict[str, Any] = {"n_epochs": n_epochs, "batch_size": batch_size, "seed": seed}
    makes = nets_of_equal_cost(digits).items()
    nets = (trained(make, digits.train_images, lr=lr, **options) for lr, make in makes)
    return compared_by_item(test_sse_of_each(digits, net) for net in nets)


@row("transposed-beats-repeat", "S15",
     "Going up by deconvolution restores better than repeating and convolving.",
     quantity="code of 30: transposed convolutions, against repeating and convolving",
     unit=SSE, relation="<")  # fmt: skip
def transposed_against_repeat(digits: ImageData, seed: int) -> Measurement:
    """Compare going up by transposed convolutions with repeating and convolving."""
    nets = (conv_net(digits, seed, unpool) for unpool in ("transposed", "repeat"))
    return compared_by_item(test_sse_of_each(digits, net) for net in nets)


@row("positions-outweigh-the-code", "S16",
     "The positions are a side channel: they hold more than the code.",
     quantity="bits of the positions of one image, against 30 numbers of 32 bits",
     unit="bits", relation=">", source="30 × 32 bits", seeded=False, reproduced=BOTH)  # fmt: skip
def bits_of_positions(digits: ImageData, seed: int) -> Measurement:
    """Compare the bits of the positions of one image with those of its code."""
    return Measurement(conv_autoencoder(digits, "positions").n_position_bits(), N_CODES * BITS_OF_A_NUMBER)


@cache
def sse_by_positions(data: ImageData, seed: int) -> dict[str, Tensor]:
    """Measure the SSE of each test image, with its own positions, with wrong ones, and with an average code.

    swapped: each image is decoded with the positions of the next one; shuffled: with places drawn at random.
    """
    x, model = data.test_images, conv_net(data, seed, "positions")
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
    return {name: sse_of_each_image(x_hat, x) for name, x_hat in decoded.items()}


@row("positions-lower-the-error", "S16",
     "Unpooling with positions restores better than repeating the values.",
     quantity="code of 30: unpooling with positions, against repeating",
     unit=SSE, relation="<", reproduced=BOTH)  # fmt: skip
def positions_against_repeat(digits: ImageData, seed: int) -> Measurement:
    """Compare unpooling with positions with repeating."""
    right = sse_by_positions(digits, seed)["right"]
    return compared_by_item([right, test_sse_of_each(digits, conv_net(digits, seed, "repeat"))])


@row("swapped-positions-hurt", "S16",
     "With another image's positions the decoder fails.",
     quantity="positions of another image, against the right ones",
     unit=SSE, relation=">", reproduced=BOTH)  # fmt: skip
def swapped_positions(digits: ImageData, seed: int) -> Measurement:
    """Compare another image's positions with the right ones; series: all of sse_by_positions."""
    sse = sse_by_positions(digits, seed)
    series = {kind: [of_each.mean().item()] for kind, of_each in sse.items()}
    return replace(compared_by_item([sse["swapped"], sse["right"]]), series=series)


@row("shuffled-positions-hurt", "S16",
     "With positions at random the decoder fails: it cannot generate.",
     quantity="shuffled positions, against the right ones", unit=SSE, relation=">", reproduced=BOTH)  # fmt: skip
def shuffled_positions(digits: ImageData, seed: int) -> Measurement:
    """Compare shuffled positions with the right ones."""
    sse = sse_by_positions(digits, seed)
    return compared_by_item([sse["shuffled"], sse["right"]])


@row("positions-beat-the-code", "S16",
     "In a net with positions, they carry more of the image than the code does.",
     quantity="right positions with an average code, against the right code with positions at random",
     unit=SSE, relation="<", reproduced=BOTH)  # fmt: skip
def positions_without_code(digits: ImageData, seed: int) -> Measurement:
    """Compare the right positions and an average code with the right code and random positions."""
    sse = sse_by_positions(digits, seed)
    return compared_by_item([sse["right, average code"], sse["shuffled"]])


@cache
def net_of_one_number(data: ImageData, seed: int) -> ConvAutoencoder:
    """Train a CNN auto-encoder with positions and a code of one number."""
    return trained(
        lambda: conv_autoencoder(data, "positions", n_codes=1),
        data.train_images, lr=LR_ONE_NUMBER, **options_for(data, seed),
    )  # fmt: skip


@row("one-number-with-positions-is-enough", "S16",
     "With the positions, one number restores better than thirty numbers without them.",
     quantity="positions and a code of 1, against repeating and a code of 30",
     unit=SSE, relation="<")  # fmt: skip
def one_number_against_thirty(digits: ImageData, seed: int) -> Measurement:
    """Compare a net with positions and one number with a net without positions and thirty."""
    one, thirty = net_of_one_number(digits, seed), conv_net(digits, seed, "repeat")
    return compared_by_item(test_sse_of_each(digits, net) for net in (one, thirty))


@row("one-number-with-positions-beats-pca", "S16",
     "With the positions, one number restores better than PCA does with thirty.",
     quantity="positions and a code of 1, against PCA-30", unit=SSE, relation="<")  # fmt: skip
def one_number_against_pca(digits: ImageData, seed: int) -> Measurement:
    """Compare a net with positions and one number with PCA of thirty."""
    by_net = test_sse_of_each(digits, net_of_one_number(digits, seed))
    return compared_by_item([by_net, pca_sse_of_each(digits, N_CODES)])


def right_by_code(data: ImageData, model: ConvAutoencoder) -> Tensor:
    """Whether a linear classifier recognises each test digit from its code; it is trained on up to 10,000."""
    probe = fitted_probe(encode_all(model, data.train_images[:10_000]), data.train_labels[:10_000])
    return right_of_each(probe, encode_all(model, data.test_images), data.test_labels)


@row("code-beside-positions-is-poorer", "S16",
     "Beside positions, the code tells less of the digit.",
     quantity="linear classifier on the code of 30: net with positions, against repeating",
     unit="% right", relation="<")  # fmt: skip
def code_beside_positions(digits: ImageData, seed: int) -> Measurement:
    """Compare what a linear classifier reads from the codes of the net with positions and of that without."""
    nets = (conv_net(digits, seed, kind) for kind in ("positions", "repeat"))
    return compared_by_item(right_by_code(digits, net) for net in nets)


@row("positions-hold-less-than-they-could", "S16",
     "The positions of digits hold fewer bits than there is room for.",
     quantity="entropy of the positions, cell by cell over the test images, against two bits a cell",
     unit="bits", relation="<", reproduced=("quick",))  # fmt: skip
def entropy_of_positions(digits: ImageData, seed: int) -> Measurement:
    """Compare the sum of the cells' entropies, an upper bound of what the positions hold, with their capacity."""
    model = conv_net(digits, seed, "positions")
    with torch.no_grad():
        _, positions = model.encode_with_positions(digits.test_images)
    bits = 0.0
    for of_layer in positions:
        places = of_layer.within_cells()
        for place in range(of_layer.kernel_size**2):
            share = (places == place).double().mean(dim=0)
            bits -= torch.special.xlogy(share, share).sum().item() / math.log(2)
    return Measurement(bits, model.n_position_bits())


@row("deconvolution-is-convolution", "S17",
     "Deconvolution is convolution: pad with zeros, and convolve with the kernel reversed.",
     said_by=CHAPTER,
     quantity="largest difference to overlapping sums, and to torch's, in 200 random settings",
     unit="millionths", relation="<", reference=100.0, source="the rounding of float32",
     on=lambda cfg: NoData("random numbers"), reproduced=BOTH)  # fmt: skip
def deconvolution_against_convolution(nothing: NoData, seed: int) -> Measurement:
    """Measure the largest difference of `overlapping_sums` and torch's to `deconvolution`, in millionths."""
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
        options: dict[str, Any] = {
            "stride": stride,
            "padding": number(0, (kernel_size - 1) // 2),
            "dilation": number(1, 2),
        }
        options["output_padding"] = number(0, max(options["stride"], options["dilation"]) - 1)
        plane = torch.randn(2, 3, n + 2, n + 3, generator=generator)
        weight = torch.randn(3, 4, kernel_size, kernel_size, generator=generator)
        gap = deconvolution(plane, weight, **options) - F.conv_transpose2d(plane, weight, **options)
        largest = max(largest, gap.abs().max().item())
    return Measurement(1e6 * largest)


@row("deconvolution-is-the-transpose", "S17",
     "Deconvolution is the transpose of convolution: <conv(x), y> = <x, deconv(y)>.",
     said_by="Dumoulin & Visin, arXiv:1603.07285 (2016), section 4",
     quantity="largest difference of the two, 100 random x and y",
     unit="10⁻¹² of |conv(x)|·|y|", relation="<", reference=1.0, source="the rounding of float64",
     on=lambda cfg: NoData("random numbers"), reproduced=BOTH)  # fmt: skip
def transpose_identity(nothing: NoData, seed: int) -> Measurement:
    """Measure |<conv(x), y> − <x, deconv(y)>|, of |conv(x)||y|, in 10⁻¹²."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64)
    x = torch.randn(100, 3, 9, 11, generator=generator, dtype=torch.float64)
    convolved = F.conv2d(x, weight, stride=2, padding=1)
    y = torch.randn(convolved.shape, generator=generator, dtype=torch.float64)
    back = deconvolution(y, weight, stride=2, padding=1)

    def inner(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).flatten(1).sum(dim=1)

    gap = (inner(convolved, y) - inner(x, back)).abs() / (inner(convolved, convolved) * inner(y, y)).sqrt()
    return Measurement(1e12 * gap.max().item())


@row("deconvolution-is-no-inverse", "S17",
     "Deconvolution does not undo the convolution.",
     quantity="digits, missed by deconv(conv(x)) at its best scale, random 3×3 kernels",
     unit="% of the squares", relation=">", reference=1.0, source="an inverse: 0", reproduced=BOTH)  # fmt: skip
def not_the_inverse(digits: ImageData, seed: int) -> Measurement:
    """Measure what of the test digits' squared sum deconv(conv(x)) misses, mean of 20 kernels."""
    x, generator = digits.test_images, torch.Generator().manual_seed(seed)
    missed = []
    for _ in range(20):
        weight = torch.randn(1, 1, 3, 3, generator=generator)
        back = deconvolution(F.conv2d(x, weight, padding=1), weight, padding=1)
        scale = (back * x).sum() / (back * back).sum()
        missed.append(100 * ((scale * back - x).square().sum() / x.square().sum()).item())
    return Measurement(fmean(missed))


@cache
def checkerboards(data: ImageData, seed: int) -> dict[str, list[float]]:
    """Measure % of checkerboard in what enlarges 14×14 digits: at the start, and after 5 epochs; mean of 5 starts."""
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
        found[kind] = [fmean(before), fmean(after)]
    return found


@row("checkerboard-at-start", "S17",
     "A transposed convolution whose stride does not divide its kernel starts with a checkerboard.",
     said_by="Odena et al., Distill (2016)",
     quantity="enlarged digits, untrained: transposed 3×3, against repeat and convolve",
     unit=CHECKERBOARD, relation=">", reproduced=BOTH)  # fmt: skip
def checkerboard_at_start(digits: ImageData, seed: int) -> Measurement:
    """Compare transposed 3×3 with stride 2 with repeating, at the start; series: all kinds."""
    found = checkerboards(digits, seed)
    return Measurement(found["transposed, 3×3"][0], found["repeat, then 3×3"][0], series=found)


@row("checkerboard-after-training", "S17",
     "The checkerboard stays after training.",
     said_by="Odena et al., Distill (2016)",
     quantity="enlarged digits, trained: transposed 3×3, against the digits themselves",
     unit=CHECKERBOARD, relation=">")  # fmt: skip
def checkerboard_after_training(digits: ImageData, seed: int) -> Measurement:
    """Compare transposed 3×3 with stride 2 after training with the digits themselves."""
    of_digits = checkerboard_percent(digits.test_images[:1000])
    return Measurement(checkerboards(digits, seed)["transposed, 3×3"][1], of_digits)
