"""Chapter 8, S19 and S20: new images from plain, penalised and variational auto-encoders."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.claims.rows import BOTH, CHAPTER, G20, LECTURE, SSE, Measurement, compared, row
from course_utils.claims.shared import by_size, deep_autoencoder, trained
from course_utils.claims.verdicts import compared_by_item
from course_utils.corruption import shifted
from course_utils.critic import Critic, fit_critic
from course_utils.data import ImageData
from course_utils.generation import decode_images, drift, fitted_gaussian, fitted_mixture, standard_normal
from course_utils.inference import encode_all, predict_logits, reconstruct
from course_utils.metrics import (
    bce_of_each_image,
    cross_entropy,
    effective_classes,
    grey_ink_percent,
    nearest_sse,
    negative_elbo,
    penalised_sse,
    sse_of_each_image,
)  # fmt: skip
from course_utils.models import Classifier, VariationalAutoencoder, forward_with_code
from course_utils.settings import seeded
from course_utils.training import Trainer

ACCEPTED = "% accepted by the critic"
HIDDEN = (784, 512, 256)
N_CODES = 10
PENALTY = 0.1  # of the code's squared length: at 0.1 its numbers have a standard deviation of about 1
KL_WEIGHTS = (0.01, 0.1, 1.0, 10.0, 100.0)
N_SAMPLES = 1_000
ACTIVE_NATS = 0.01  # a number of the code that tells less than this is not used
# What new codes are drawn from, given the codes of the training images.
SOURCES = {
    "N(0, 1)": lambda z, seed: standard_normal(z.shape[1]),
    "fitted Gaussian": lambda z, seed: fitted_gaussian(z),
    "fitted mixture": lambda z, seed: fitted_mixture(z[:10_000], seed=seed),
}
# How new images are made: the auto-encoder, and one of SOURCES.
WAYS = (
    "plain, N(0, 1)", "plain, fitted Gaussian", "plain, fitted mixture", "penalised, N(0, 1)", "variational, N(0, 1)",
)  # fmt: skip


def variational_autoencoder(data: ImageData, sizes: tuple[int, ...]) -> VariationalAutoencoder:
    """Build a variational auto-encoder whose output starts at the mean of the training images."""
    return VariationalAutoencoder(sizes, mean=data.train_images.mean(dim=0))


@cache
def net(data: ImageData, seed: int, kind: str, kl_weight: float = 1.0) -> nn.Module:
    """Train an auto-encoder, "plain", "penalised" or "variational": 12 epochs of 4,000 images, 10 of 60,000."""
    n_epochs, batch_size = by_size(data, small=(12, 100), large=(10, 250))
    ways: dict[str, tuple[Any, Any, Any]] = {
        "plain": (deep_autoencoder, penalised_sse(0.0), forward_with_code),
        "penalised": (deep_autoencoder, penalised_sse(PENALTY), forward_with_code),
        "variational": (variational_autoencoder, negative_elbo(kl_weight), VariationalAutoencoder.forward_sampled),
    }
    make, loss, output = ways[kind]
    return trained(
        lambda: make(data, (*HIDDEN, N_CODES)), data.train_images,
        loss=loss, output=output, n_epochs=n_epochs, batch_size=batch_size, seed=seed,
    )  # fmt: skip


@cache
def critic(data: ImageData, seed: int) -> Critic:
    """Train the critic on as many as 20,000 images."""
    return fit_critic(data.train_images[:20_000], data.train_labels[:20_000], seed=seed)


def percent_accepted(data: ImageData, seed: int, x: Tensor) -> float:
    """Measure the percentage of images that the critic accepts."""
    return 100 * critic(data, seed).accepts(x).double().mean().item()


@cache
def codes(data: ImageData, seed: int, kind: str) -> Tensor:
    """Encode the training images."""
    return encode_all(net(data, seed, kind), data.train_images)


@cache
def judged(data: ImageData, seed: int, way: str) -> dict[str, float]:
    """Judge new images, made in one of WAYS.

    Returns
    -------
    dict
        % accepted, how many digits are among those, the median SSE to the nearest training image, % grey.
    """
    kind, _, source = way.partition(", ")
    z = SOURCES[source](codes(data, seed, kind), seed).sample(N_SAMPLES, seed=seed)
    x, judge = decode_images(net(data, seed, kind), z, data.image_shape), critic(data, seed)
    found = judge.classes(x)[judge.accepts(x)]
    return {
        "accepted": percent_accepted(data, seed, x),
        "digits": effective_classes(found, n_classes=10) if len(found) else 0.0,
        "nearest": nearest_sse(x, data.train_images).median().item(),
        "grey": grey_ink_percent(x),
    }


def against(digits: ImageData, seed: int, way: str, other: str) -> Measurement:
    """Compare new images made in one way with those made in another, by what the critic accepts."""
    return Measurement(judged(digits, seed, way)["accepted"], judged(digits, seed, other)["accepted"])


@row("random-codes-give-digits", "S19",
     "Keep the decoder, feed it a random code, and an image comes out that looks like a digit.",
     said_by=CHAPTER,
     quantity="code of 10 from N(0, 1), plain decoder",
     unit=ACCEPTED, relation=">", reference=50.0, source="this course's reading: more often than not")  # fmt: skip
def random_codes(digits: ImageData, seed: int) -> Measurement:
    """Judge a plain decoder's images of codes from N(0, 1); series: every way, every number."""
    series = {way: list(judged(digits, seed, way).values()) for way in WAYS}
    return Measurement(judged(digits, seed, "plain, N(0, 1)")["accepted"], series=series)


@row("codes-are-wider-than-normal", "S19",
     "A plain auto-encoder's codes are not from N(0, 1).",
     quantity="standard deviation of the codes of the training images",
     unit="unit of the code", relation=">", reference=1.0, source="N(0, 1) has 1", reproduced=BOTH)  # fmt: skip
def length_of_codes(digits: ImageData, seed: int) -> Measurement:
    """Measure the standard deviation of the plain net's codes, mean of the ten numbers."""
    return Measurement(codes(digits, seed, "plain").std(dim=0).mean().item())


@row("random-codes-drift", "S19",
     "Random codes lie in holes: the encoder does not find its way back to them.",
     said_by=LECTURE,
     quantity="|encode(decode(z)) − z|: z from N(0, 1), against codes of unseen digits",
     unit="standard deviations of the codes", relation=">", reproduced=BOTH)  # fmt: skip
def drift_of_random_codes(digits: ImageData, seed: int) -> Measurement:
    """Compare the median drift in the plain net of z from N(0, 1) with that of codes of test images."""
    model = net(digits, seed, "plain")
    both = standard_normal(N_CODES).sample(N_SAMPLES, seed=seed), encode_all(model, digits.test_images)
    sd = codes(digits, seed, "plain").std(dim=0).mean()
    return compared((drift(model, z, digits.image_shape) / sd).median().item() for z in both)


@row("fitted-gaussian-beats-normal", "S19",
     "Codes drawn from a Gaussian fitted to the codes give more digits than N(0, 1).",
     said_by=G20,
     quantity="plain decoder: fitted Gaussian, against N(0, 1)",
     unit=ACCEPTED, relation=">", reproduced=BOTH)  # fmt: skip
def gaussian_against_normal(digits: ImageData, seed: int) -> Measurement:
    """Compare a Gaussian fitted to the plain net's codes with N(0, 1)."""
    return against(digits, seed, "plain, fitted Gaussian", "plain, N(0, 1)")


@row("mixture-beats-gaussian", "S19",
     "The codes have clusters: a mixture of ten Gaussians gives more digits than one.",
     said_by=G20,
     quantity="plain decoder: fitted mixture, against fitted Gaussian",
     unit=ACCEPTED, relation=">", reproduced=BOTH)  # fmt: skip
def mixture_against_gaussian(digits: ImageData, seed: int) -> Measurement:
    """Compare a mixture fitted to the plain net's codes with one Gaussian."""
    return against(digits, seed, "plain, fitted mixture", "plain, fitted Gaussian")


@row("penalty-beats-plain", "S19",
     "A penalty on the code's length closes the holes: random codes give digits.",
     said_by=LECTURE,
     quantity="codes from N(0, 1): penalised, against plain", unit=ACCEPTED, relation=">", reproduced=BOTH)  # fmt: skip
def penalised_against_plain(digits: ImageData, seed: int) -> Measurement:
    """Compare the penalised net with the plain one."""
    return against(digits, seed, "penalised, N(0, 1)", "plain, N(0, 1)")


@row("plain-classifier-is-fooled", "S19",
     "A classifier that knows only digits cannot say what is none.",
     quantity="means of six digits: a plain classifier as sure as of real ones, against the critic's",
     unit="% accepted", relation=">", reproduced=BOTH)  # fmt: skip
def sure_of_the_mean(digits: ImageData, seed: int) -> Measurement:
    """Measure what of means of six digits a plain classifier is sure of, as of 95 % of real ones; beside the critic."""
    x, x_test = digits.train_images[:20_000], digits.test_images
    classifier = trained(
        lambda: Classifier((784, 500, 250, 10)), (x, digits.train_labels[: len(x)]),
        loss=cross_entropy, supervised=True, batch_size=100, n_epochs=10, seed=seed,
    )  # fmt: skip

    def sureness(some: Tensor) -> Tensor:
        return predict_logits(classifier, some).softmax(dim=1).amax(dim=1)

    generator = torch.Generator().manual_seed(seed)
    means = torch.stack([x_test[torch.randperm(len(x_test), generator=generator)] for _ in range(6)]).mean(dim=0)
    sure = (sureness(means) >= sureness(x_test).quantile(0.05)).double().mean().item()
    return Measurement(100 * sure, percent_accepted(digits, seed, means))


@row("squared-error-blurs", "S19",
     "Squared error blurs.",
     quantity="ink that is grey: restored unseen digits, against the digits",
     unit="% of the ink", relation=">", reproduced=BOTH)  # fmt: skip
def blur(digits: ImageData, seed: int) -> Measurement:
    """Compare the plain net's restored test images with the images themselves."""
    x = digits.test_images
    return Measurement(grey_ink_percent(reconstruct(net(digits, seed, "plain"), x)), grey_ink_percent(x))


@row("a-pixel-costs-more-than-half", "S19",
     "Squared error is no distance between pictures: a pixel to the side costs more than half a digit.",
     quantity="moved by one pixel down and right, against the lower half blanked",
     unit=SSE, relation=">", seeded=False, reproduced=BOTH)  # fmt: skip
def shifted_error(digits: ImageData, seed: int) -> Measurement:
    """Compare test images moved by one pixel, down and to the right, with those whose lower half is blanked."""
    x = digits.test_images
    blanked = x.clone()
    blanked[:, :, digits.image_shape[1] // 2 :] = 0
    moved = shifted(x, torch.ones(len(x), dtype=torch.int64), torch.ones(len(x), dtype=torch.int64))
    return compared_by_item(sse_of_each_image(changed, x) for changed in (moved, blanked))


@row("vae-beats-normal", "S20",
     "The variational auto-encoder can be sampled from N(0, 1), where the plain one cannot.",
     said_by="Kingma & Welling, ICLR 2014",
     quantity="codes from N(0, 1): variational, against plain",
     unit=ACCEPTED, relation=">", reproduced=BOTH)  # fmt: skip
def variational_against_plain(digits: ImageData, seed: int) -> Measurement:
    """Compare the variational net with the plain one."""
    return against(digits, seed, "variational, N(0, 1)", "plain, N(0, 1)")


@row("vae-beats-penalty", "S20",
     "The variational auto-encoder gives more digits than the penalised one.",
     quantity="codes from N(0, 1): variational, against penalised", unit=ACCEPTED, relation=">")  # fmt: skip
def variational_against_penalised(digits: ImageData, seed: int) -> Measurement:
    """Compare the variational net with the penalised one."""
    return against(digits, seed, "variational, N(0, 1)", "penalised, N(0, 1)")


@row("vae-beats-fitted-gaussian", "S20",
     "The variational auto-encoder gives more digits than a Gaussian fitted to a plain one's codes.",
     quantity="variational, N(0, 1), against plain, fitted Gaussian", unit=ACCEPTED, relation=">")  # fmt: skip
def variational_against_gaussian(digits: ImageData, seed: int) -> Measurement:
    """Compare the variational net with a Gaussian fitted to the plain one's codes."""
    return against(digits, seed, "variational, N(0, 1)", "plain, fitted Gaussian")


@row("samples-are-no-copies", "S20",
     "New images are new: no copies of training images.",
     quantity="squared error to the nearest training image: new images, against restored training images",
     unit=SSE, relation=">", reproduced=BOTH)  # fmt: skip
def copies(digits: ImageData, seed: int) -> Measurement:
    """Compare a variational net's new images with restored training images."""
    new, x = judged(digits, seed, "variational, N(0, 1)"), digits.train_images
    restored = reconstruct(net(digits, seed, "variational"), x[:N_SAMPLES])
    return Measurement(new["nearest"], nearest_sse(restored, x).median().item())


@cache
def terms(data: ImageData, seed: int, kl_weight: float) -> dict[str, Tensor]:
    """Measure reconstruction and KL of each test image `(n,)`, how many numbers of the code are used, % accepted."""
    model, x = net(data, seed, "variational", kl_weight), data.test_images
    assert isinstance(model, VariationalAutoencoder)
    with torch.no_grad(), seeded(seed):
        x_hat, mean, log_variance = model.forward_sampled(x)
        of_each_number = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1)
    new = decode_images(model, standard_normal(N_CODES).sample(N_SAMPLES, seed=seed), data.image_shape)
    return {
        "reconstruction": bce_of_each_image(x_hat, x),
        "KL": of_each_number.sum(dim=1),
        "used": (of_each_number.mean(dim=0) > ACTIVE_NATS).sum().float(),
        "accepted": torch.tensor(percent_accepted(data, seed, new)),
    }


@row("kl-collapse", "S20",
     "With too large a KL weight the code is not used at all (posterior collapse).",
     said_by="Bowman et al., CoNLL 2016",
     quantity="KL weight 100: numbers of ten that tell 0.01 nats or more",
     unit="numbers", relation="≈", reference=0.0, tolerance=0.5, source="collapse: none", reproduced=BOTH,
     seeds=(10, 3))  # fmt: skip
def collapse(digits: ImageData, seed: int) -> Measurement:
    """Count the numbers of the code that are used at KL weight 100; series: all terms by weight."""
    rows = [terms(digits, seed, weight) for weight in KL_WEIGHTS]
    series = {"KL weight": list(KL_WEIGHTS), **{term: [row[term].mean().item() for row in rows] for term in rows[0]}}
    return Measurement(rows[-1]["used"].item(), series=series)


@row("kl-weight-trade", "S20",
     "A larger KL weight restores worse.",
     said_by="Higgins et al., ICLR 2017",
     quantity="reconstruction: KL weight 10, against 1",
     unit="nats per image", relation=">", reproduced=BOTH, seeds=(10, 3))  # fmt: skip
def weight_trade(digits: ImageData, seed: int) -> Measurement:
    """Compare KL weight 10 with 1."""
    return compared_by_item(terms(digits, seed, weight)["reconstruction"] for weight in (10.0, 1.0))


@row("vae-elbo", "S20",
     "784-400-20 reaches the published bound.",
     quantity="test reconstruction + KL (negative ELBO), 10 epochs",
     unit="nats per image", relation="≈", reference=105.6, tolerance=1.0,
     source="PyTorch's example vae, 10 epochs: 105.6 in two logs", only_on="full", reproduced=("full",))  # fmt: skip
def elbo_of_784_400_20(digits: ImageData, seed: int) -> Measurement:
    """Measure the test negative ELBO of 784-400-20, trained as published: 10 epochs in batches of 128."""
    torch.manual_seed(seed)
    trainer = Trainer(
        variational_autoencoder(digits, (784, 400, 20)), loss=negative_elbo(),
        output=VariationalAutoencoder.forward_sampled, schedule="constant", batch_size=128, seed=seed,
    )  # fmt: skip
    trainer.fit(digits.train_images, n_epochs=10)
    return Measurement(trainer.evaluate(digits.test_images))
