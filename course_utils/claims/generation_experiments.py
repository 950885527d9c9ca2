"""The experiments on generation (S19, S20): each takes the settings and a seed, and returns a Measurement."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from course_utils.claims.experiments import digits, images
from course_utils.claims.measuring import Measurement
from course_utils.corruption import shifted
from course_utils.critic import Critic, fit_critic
from course_utils.generation import (
    CodeDistribution,
    decode_images,
    drift,
    fitted_gaussian,
    fitted_mixture,
    standard_normal,
)  # fmt: skip
from course_utils.metrics import (
    bce_nats_per_image,
    cross_entropy,
    effective_classes,
    grey_ink_percent,
    kl_nats_per_image,
    nearest_sse,
    negative_elbo,
    penalised_sse,
    sse_per_image,
)  # fmt: skip
from course_utils.models import (
    Classifier,
    DeepAutoencoder,
    VariationalAutoencoder,
    encode_all,
    predict_logits,
    reconstruct,
    with_code,
)  # fmt: skip
from course_utils.settings import Settings
from course_utils.training import Trainer

HIDDEN = (784, 512, 256)
N_CODES = 10
PENALTY = 0.1  # of the code's squared length: at 0.1 its numbers have a standard deviation of about 1
KL_WEIGHTS = (0.01, 0.1, 1.0, 10.0, 100.0)
N_SAMPLES = 1_000
ACTIVE_NATS = 0.01  # a number of the code that tells less than this is not used
# How new codes are had: the auto-encoder, and where its codes are drawn from.
WAYS = {
    "plain, N(0, 1)": ("plain", "normal"),
    "plain, fitted Gaussian": ("plain", "gaussian"),
    "plain, fitted mixture": ("plain", "mixture"),
    "penalised, N(0, 1)": ("penalised", "normal"),
    "variational, N(0, 1)": ("variational", "normal"),
}


@cache
def net(kind: str, name: str, seed: int, *, n_codes: int = N_CODES, kl_weight: float = 1.0) -> nn.Module:
    """A trained auto-encoder, "plain", "penalised" or "variational": 12 epochs of 4,000 images, 10 of 60,000."""
    x = images(name).train_images
    n_epochs, batch_size = (12, 100) if len(x) <= 10_000 else (10, 250)
    torch.manual_seed(seed)
    if kind == "variational":
        model = VariationalAutoencoder((*HIDDEN, n_codes), mean=x.mean(dim=0))
        options = {"loss": negative_elbo(kl_weight), "output": VariationalAutoencoder.sampled}
    else:
        model = DeepAutoencoder((*HIDDEN, n_codes), mean=x.mean(dim=0))
        options = {"loss": penalised_sse(PENALTY if kind == "penalised" else 0.0), "output": with_code}
    Trainer(model, batch_size=batch_size, seed=seed, **options).fit(x, n_epochs=n_epochs)
    return model.cpu()


@cache
def critic(name: str, seed: int) -> Critic:
    """The critic, trained on as many as 20,000 images."""
    data = images(name)
    return fit_critic(data.train_images[:20_000], data.train_labels[:20_000], seed=seed)


@cache
def codes(kind: str, name: str, seed: int) -> Tensor:
    """Codes of the training images."""
    return encode_all(net(kind, name, seed), images(name).train_images)


def codes_from(kind: str, drawn_from: str, name: str, seed: int) -> CodeDistribution:
    """Where new codes are drawn from."""
    if drawn_from == "normal":
        return standard_normal(N_CODES)
    z = codes(kind, name, seed)
    return fitted_gaussian(z) if drawn_from == "gaussian" else fitted_mixture(z[:10_000], seed=seed)


def samples(way: str, name: str, seed: int) -> Tensor:
    """New images, made in one of WAYS."""
    kind, drawn_from = WAYS[way]
    z = codes_from(kind, drawn_from, name, seed).sample(N_SAMPLES, seed=seed)
    return decode_images(net(kind, name, seed), z, images(name).image_shape)


@cache
def judged(way: str, name: str, seed: int) -> dict[str, float]:
    """What is said of new images: % accepted, how many digits among those, the median SSE to the nearest, % grey."""
    x, judge = samples(way, name, seed), critic(name, seed)
    accepted = judge.accepts(x)
    found = judge.classes(x)[accepted]
    return {
        "accepted": 100 * accepted.double().mean().item(),
        "digits": effective_classes(found, n_classes=10) if len(found) else 0.0,
        "nearest": nearest_sse(x, images(name).train_images).median().item(),
        "grey": grey_ink_percent(x),
    }


@cache
def accepted_restored(kind: str, name: str, seed: int) -> float:
    """% of restored test images that the critic accepts: as much as new ones can be hoped to have."""
    x_hat = reconstruct(net(kind, name, seed), images(name).test_images)
    return 100 * critic(name, seed).accepts(x_hat).double().mean().item()


# ------------------------------------------------------------------------------------ S19, one a row of the ledger


def random_codes(cfg: Settings, seed: int) -> Measurement:
    """% accepted of a plain decoder's images of codes from N(0, 1); series: every way, every number."""
    name = digits(cfg).name
    rows = {way: judged(way, name, seed) for way in WAYS}
    series = {way: list(row.values()) for way, row in rows.items()}
    return Measurement(rows["plain, N(0, 1)"]["accepted"], data=name, series=series)


def against(way: str, other: str, cfg: Settings, seed: int) -> Measurement:
    """% accepted of new images made in one way, against another."""
    name = digits(cfg).name
    return Measurement(judged(way, name, seed)["accepted"], judged(other, name, seed)["accepted"], name)


def sure_of_the_mean(cfg: Settings, seed: int) -> Measurement:
    """% of means of six digits that a plain classifier is sure of, as of 95 % of real ones; the critic as reference."""
    data = digits(cfg)
    x, x_test = data.train_images[:20_000], data.test_images
    torch.manual_seed(seed)
    classifier = Classifier((784, 500, 250, 10))
    trainer = Trainer(classifier, loss=cross_entropy, supervised=True, batch_size=100, seed=seed)
    trainer.fit((x, data.train_labels[: len(x)]), n_epochs=10)

    def sureness(some: Tensor) -> Tensor:
        return predict_logits(classifier, some).softmax(dim=1).amax(dim=1)

    generator = torch.Generator().manual_seed(seed)
    means = torch.stack([x_test[torch.randperm(len(x_test), generator=generator)] for _ in range(6)]).mean(dim=0)
    sure = (sureness(means) >= sureness(x_test).quantile(0.05)).double().mean().item()
    accepted = critic(data.name, seed).accepts(means).double().mean().item()
    return Measurement(100 * sure, 100 * accepted, data.name)


def drift_of_random_codes(cfg: Settings, seed: int) -> Measurement:
    """Median |encode(decode(z)) − z| in the plain net, in % of |z|: of z from N(0, 1), against codes of test images."""
    data = digits(cfg)
    model = net("plain", data.name, seed)
    relative = []
    for z in (standard_normal(N_CODES).sample(N_SAMPLES, seed=seed), encode_all(model, data.test_images)):
        relative.append(100 * (drift(model, z, data.image_shape) / z.norm(dim=1)).median().item())
    return Measurement(relative[0], relative[1], data.name)


def length_of_codes(cfg: Settings, seed: int) -> Measurement:
    """Standard deviation of the plain net's codes, mean of the ten numbers: N(0, 1) has 1."""
    name = digits(cfg).name
    return Measurement(codes("plain", name, seed).std(dim=0).mean().item(), data=name)


def copies(cfg: Settings, seed: int) -> Measurement:
    """Median SSE of a variational net's new images to the nearest training image, against restored training images'."""
    name = digits(cfg).name
    x = images(name).train_images
    restored = reconstruct(net("variational", name, seed), x[:N_SAMPLES])
    new = judged("variational, N(0, 1)", name, seed)["nearest"]
    return Measurement(new, nearest_sse(restored, x).median().item(), name)


def blur(cfg: Settings, seed: int) -> Measurement:
    """% of the ink that is grey: in restored test images of the plain net, against the images themselves."""
    data = digits(cfg)
    x_hat = reconstruct(net("plain", data.name, seed), data.test_images)
    return Measurement(grey_ink_percent(x_hat), grey_ink_percent(data.test_images), data.name)


def shifted_error(cfg: Settings, seed: int) -> Measurement:
    """SSE of test images moved by one pixel, down and to the right, against those whose lower half is blanked."""
    data = digits(cfg)
    x = data.test_images
    blanked = x.clone()
    blanked[:, :, data.image_shape[1] // 2 :] = 0
    moved = shifted(x, torch.ones(len(x), dtype=torch.int64), torch.ones(len(x), dtype=torch.int64))
    return Measurement(sse_per_image(moved, x).item(), sse_per_image(blanked, x).item(), data.name)


# ------------------------------------------------------------------------------------ S20


@cache
def terms(name: str, seed: int, kl_weight: float) -> dict[str, float]:
    """Test reconstruction and KL in nats per image, the numbers of the code that are used, % of new images accepted."""
    data, model = images(name), net("variational", name, seed, kl_weight=kl_weight)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x_hat, mean, log_variance = model.sampled(data.test_images)
        of_each_number = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).mean(dim=0)
    new = decode_images(model, standard_normal(N_CODES).sample(N_SAMPLES, seed=seed), data.image_shape)
    return {
        "reconstruction": bce_nats_per_image(x_hat, data.test_images).item(),
        "KL": kl_nats_per_image(mean, log_variance).item(),
        "used": (of_each_number > ACTIVE_NATS).sum().item(),
        "accepted": 100 * critic(name, seed).accepts(new).double().mean().item(),
    }


def collapse(cfg: Settings, seed: int) -> Measurement:
    """Numbers of the code that are used at KL weight 100; series: all terms by weight."""
    name = digits(cfg).name
    rows = [terms(name, seed, weight) for weight in KL_WEIGHTS]
    series = {"KL weight": list(KL_WEIGHTS), **{term: [row[term] for row in rows] for term in rows[0]}}
    return Measurement(rows[-1]["used"], data=name, series=series)


def weight_trade(cfg: Settings, seed: int) -> Measurement:
    """Test reconstruction in nats per image at KL weight 10, against 1."""
    name = digits(cfg).name
    return Measurement(terms(name, seed, 10.0)["reconstruction"], terms(name, seed, 1.0)["reconstruction"], name)


def elbo_of_784_400_20(cfg: Settings, seed: int) -> Measurement:
    """Test negative ELBO in nats per image of 784-400-20, trained as published: 10 epochs in batches of 128."""
    data = digits(cfg)
    torch.manual_seed(seed)
    model = VariationalAutoencoder((784, 400, 20), mean=data.train_images.mean(dim=0))
    trainer = Trainer(
        model, loss=negative_elbo(), output=VariationalAutoencoder.sampled, schedule="constant", batch_size=128,
        seed=seed,
    )  # fmt: skip
    trainer.fit(data.train_images, n_epochs=10)
    return Measurement(trainer.evaluate(data.test_images), data=data.name)
