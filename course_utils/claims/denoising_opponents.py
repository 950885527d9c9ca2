"""Chapter 7, S18: stronger opponents of the de-noiser: a small net of convolutions, and the filter BM3D."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import torch
from torch import nn

from course_utils.claims.denoising import KINDS, NOISE, PSNR, denoiser, noisy_and_clean, psnr_of
from course_utils.claims.rows import BOTH, Measurement, row
from course_utils.claims.shared import by_size, mean_of, trained
from course_utils.claims.verdicts import compared_by_item
from course_utils.corruption import corrupted
from course_utils.data import ImageData
from course_utils.filters import tuned_filter
from course_utils.metrics import psnr_of_each_image

CHANNELS, N_HIDDEN = 24, 2
LR = 1e-2  # of 0.003 and 0.01 the better on the validation split
N_BM3D = 100  # images that BM3D, which takes half a second for each, is tuned on, and as many that it is tried on


def fully_convolutional(data: ImageData) -> nn.Sequential:
    """Build a net of 3×3 convolutions from image to image, without pooling: 10,873 weights where images are grey.

    As `init_he_`: He weights, a small output layer, and the mean grey value as its bias.
    """
    n_colours = data.image_shape[0]
    widths = [n_colours, *[CHANNELS] * (1 + N_HIDDEN), n_colours]
    convolutions = [nn.Conv2d(i, o, 3, padding=1) for i, o in pairwise(widths)]
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.get_parameter("bias"))
    output = convolutions[-1]
    with torch.no_grad():
        output.weight.mul_(0.1)
        output.get_parameter("bias").fill_(data.train_images.mean().logit())
    hidden = [part for layer in convolutions[:-1] for part in (layer, nn.ReLU())]
    return nn.Sequential(*hidden, output, nn.Sigmoid()).to(memory_format=torch.channels_last)


@cache
def convolutional_denoiser(data: ImageData, seed: int, kind: str) -> nn.Module:
    """Train it on one kind of noise: 8 epochs of 4,000 images, 2 of 60,000."""
    return trained(
        lambda: fully_convolutional(data), data.train_images,
        corrupt=KINDS[kind], seed=seed, n_epochs=by_size(data, small=8, large=2), batch_size=50, lr=LR,
    )  # fmt: skip


@row("convolutions-denoise-better", "S18",
     "A net of convolutions with a hundredth of the weights removes more noise.",
     quantity="PSNR of four 3×3 convolutions of 24 channels, against 784-1000-784, mean of three kinds of noise",
     unit=PSNR, relation=">", seeds=(5, 3), reproduced=BOTH)  # fmt: skip
def convolutions_against_dense(digits: ImageData, seed: int) -> Measurement:
    """Compare the two de-noisers, each trained on the kind of noise that it is tried on."""
    return compared_by_item(
        mean_of(psnr_of(of_kind(digits, seed, kind), digits, seed, KINDS[kind]) for kind in KINDS)
        for of_kind in (convolutional_denoiser, denoiser)
    )


@row("denoiser-beats-bm3d", "S18",
     "A de-noising auto-encoder removes more noise than BM3D, the strongest of the classical filters.",
     quantity="Gaussian noise of 0.5, clipped: PSNR of 784-1000-784, against BM3D, tuned on 100 digits",
     unit=PSNR, relation=">", only_on="full", seeds=(10, 3), reproduced=("full",))  # fmt: skip
def dense_against_bm3d(digits: ImageData, seed: int) -> Measurement:
    """Compare the de-noiser with BM3D, whose strength and grey values are fitted to training images."""
    x_train = digits.train_images[:N_BM3D]
    bm3d, _ = tuned_filter("BM3D", corrupted(x_train, NOISE, seed=seed), x_train)
    x_noisy, x = (images[:N_BM3D] for images in noisy_and_clean(digits, seed, NOISE))
    by_bm3d = psnr_of_each_image(bm3d(x_noisy), x)
    return compared_by_item([psnr_of(denoiser(digits, seed), digits, seed)[:N_BM3D], by_bm3d])
