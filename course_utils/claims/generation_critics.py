"""Chapter 8, S19 and S20: what is left of the comparisons for a critic that ignores contrast, with equal samplers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from course_utils.claims.generation import ACCEPTED, N_SAMPLES, SOURCES, codes, critic, net
from course_utils.claims.rows import BOTH, BOUND, G20, Measurement, compared, row
from course_utils.claims.verdicts import against_number
from course_utils.critic import NON_EXAMPLES, Critic, fit_contrast_blind_critic, non_examples, softened
from course_utils.data import ImageData
from course_utils.generation import decode_images
from course_utils.models import VariationalAutoencoder

MOST = 80.0  # % accepted: this course's bound


@cache
def contrast_blind_critic(data: ImageData, seed: int) -> Critic:
    """Train the critic that was shown softened digits, too, on as many as 20,000 images."""
    return fit_contrast_blind_critic(data.train_images[:20_000], data.train_labels[:20_000], seed=seed)


def accepted(judge: Critic, x: Tensor) -> Tensor:
    """Give 100 for each image that a critic accepts and 0 for the others, `(n,)`: the mean is in percent."""
    return 100 * judge.accepts(x).double()


def of_softened(data: ImageData, judge: Critic) -> dict[str, Tensor]:
    """Give `accepted` of each true test digit, as it is and softened in two ways."""
    ways: dict[str, dict[str, float]] = {"as they are": {}, "blurred": {"sd": 0.9}, "dimmed": {"brightness": 0.6}}
    return {way: accepted(judge, softened(data.test_images, **how)) for way, how in ways.items()}


@row("critic-accepts-blurred-digits", "S19",
     "The critic judges shape: it accepts true digits that are blurred.",
     quantity="true digits, blurred by 0.9 pixels", unit=ACCEPTED, relation=">", reference=MOST,
     source=BOUND)  # fmt: skip
def critic_on_blurred(digits: ImageData, seed: int) -> Measurement:
    """Measure what of blurred test digits the critic accepts; series: both critics on digits soft in two ways."""
    judges = {"critic": critic(digits, seed), "contrast-blind critic": contrast_blind_critic(digits, seed)}
    found = {name: of_softened(digits, judge) for name, judge in judges.items()}
    series = {name: [of_each.mean().item() for of_each in ways.values()] for name, ways in found.items()}
    return replace(against_number(found["critic"]["blurred"], MOST), series=series)


@row("critic-accepts-dimmed-digits", "S19",
     "The critic judges shape: it accepts true digits that are dimmed.",
     quantity="true digits at 60 % of their brightness", unit=ACCEPTED, relation=">", reference=MOST,
     source=BOUND)  # fmt: skip
def critic_on_dimmed(digits: ImageData, seed: int) -> Measurement:
    """Measure what of dimmed test digits the critic accepts."""
    return against_number(of_softened(digits, critic(digits, seed))["dimmed"], MOST)


@row("contrast-blind-critic-accepts-soft-digits", "S19",
     "A critic that has seen soft digits accepts them.",
     quantity="contrast-blind critic: true digits, blurred by 0.9 pixels or at 60 % of brightness, the lower share",
     unit=ACCEPTED, relation=">", reference=MOST, source=BOUND, reproduced=BOTH)  # fmt: skip
def blind_critic_on_soft(digits: ImageData, seed: int) -> Measurement:
    """Measure what of blurred and of dimmed test digits the contrast-blind critic accepts, the smaller of the two."""
    found = of_softened(digits, contrast_blind_critic(digits, seed))
    return against_number(min(found["blurred"], found["dimmed"], key=Tensor.mean), MOST)


@row("contrast-blind-critic-rejects-means", "S19",
     "It still rejects what is no digit.",
     quantity="contrast-blind critic: means of three digits",
     unit=ACCEPTED, relation="<", reference=20.0, source=BOUND, reproduced=BOTH)  # fmt: skip
def blind_critic_on_means(digits: ImageData, seed: int) -> Measurement:
    """Measure what of means of three test digits the contrast-blind critic accepts; series: every non-example."""
    judge, generator = contrast_blind_critic(digits, seed), torch.Generator().manual_seed(seed)
    found = {
        kind: accepted(judge, non_examples(digits.test_images, kind, generator)).mean().item() for kind in NON_EXAMPLES
    }
    return Measurement(found["mean of 3"], series={kind: [share] for kind, share in found.items()})


@cache
def accepted_by_both(data: ImageData, seed: int, kind: str, source: str) -> dict[str, float]:
    """Measure what of new images each critic accepts: of one net, with codes from one of SOURCES."""
    z = SOURCES[source](codes(data, seed, kind), seed).sample(N_SAMPLES, seed=seed)
    x = decode_images(net(data, seed, kind), z, data.image_shape)
    judges = {"critic": critic(data, seed), "contrast-blind critic": contrast_blind_critic(data, seed)}
    return {name: accepted(judge, x).mean().item() for name, judge in judges.items()}


def with_mixtures(data: ImageData, seed: int, kinds: tuple[str, str]) -> Measurement:
    """Compare new images of two nets, each with codes from a mixture fitted to its own codes."""
    return compared(accepted_by_both(data, seed, kind, "fitted mixture")["contrast-blind critic"] for kind in kinds)


@row("vae-beats-penalty-for-a-contrast-blind-critic", "S20",
     "The variational auto-encoder gives more digits than the penalised one, for a critic that ignores contrast.",
     quantity="codes from N(0, 1), contrast-blind critic: variational, against penalised",
     unit=ACCEPTED, relation=">")  # fmt: skip
def variational_against_penalised_blind(digits: ImageData, seed: int) -> Measurement:
    """Compare the two nets; series: every net with every source of codes, both critics."""
    table = {f"{kind}, {source}": accepted_by_both(digits, seed, kind, source)
             for kind in ("plain", "penalised", "variational") for source in SOURCES}  # fmt: skip
    both = (table[f"{kind}, N(0, 1)"]["contrast-blind critic"] for kind in ("variational", "penalised"))
    return replace(compared(both), series={way: list(found.values()) for way, found in table.items()})


@row("vae-beats-penalty-with-one-sampler", "S20",
     "With the same sampler for both, a fitted mixture, the variational auto-encoder gives more digits.",
     quantity="fitted mixture, contrast-blind critic: variational, against penalised",
     unit=ACCEPTED, relation=">")  # fmt: skip
def variational_against_penalised_mixture(digits: ImageData, seed: int) -> Measurement:
    """Compare the variational net with the penalised one."""
    return with_mixtures(digits, seed, ("variational", "penalised"))


@row("plain-beats-vae-with-one-sampler", "S20",
     "With the same sampler for both, a fitted mixture, a plain auto-encoder gives more digits than a variational one.",
     said_by=G20,
     quantity="fitted mixture, contrast-blind critic: plain, against variational",
     unit=ACCEPTED, relation=">")  # fmt: skip
def plain_against_variational_mixture(digits: ImageData, seed: int) -> Measurement:
    """Compare the plain net with the variational one."""
    return with_mixtures(digits, seed, ("plain", "variational"))


@row("vae-codes-are-not-normal", "S20",
     "The variational auto-encoder's codes are from N(0, 1).",
     said_by="Kingma & Welling, ICLR 2014, as the prior",
     quantity="variance of the codes of the training images, noise of the encoder included, mean of ten numbers",
     unit="unit of the code, squared", relation="≈", reference=1.0, tolerance=0.1, source="N(0, 1) has 1")  # fmt: skip
def variance_of_variational_codes(digits: ImageData, seed: int) -> Measurement:
    """Measure the variance of the aggregate posterior: of the means, and the mean of the variances."""
    model = net(digits, seed, "variational")
    assert isinstance(model, VariationalAutoencoder)
    with torch.no_grad():
        parts = [model.encode_distribution(x) for x in digits.train_images.split(1_000)]
    means, log_variances = (torch.cat(part) for part in zip(*parts, strict=True))
    return Measurement((means.var(dim=0) + log_variances.exp().mean(dim=0)).mean().item())
