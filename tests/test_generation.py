import math
import re
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from course_utils import generation
from course_utils.generation import (
    CodeDistribution,
    check_memory,
    circle,
    decode_images,
    drift,
    fitted_gaussian,
    fitted_mixture,
    limits_of,
    line,
    nll_of_each_image,
    plane_grid,
    standard_normal,
)
from course_utils.metrics import kl_nats_per_image
from course_utils.models import ConvAutoencoder, DeepAutoencoder, LinearAutoencoder, VariationalAutoencoder
from course_utils.plotting import tile

WEIGHTS = torch.tensor([0.2, 0.8])
MEANS = torch.tensor([[-3.0, 0.0, 1.0], [4.0, 2.0, -1.0]])
COVARIANCES = torch.tensor(
    [[[1.0, 0.5, 0.0], [0.5, 2.0, 0.3], [0.0, 0.3, 0.5]], [[0.3, 0.0, 0.1], [0.0, 0.2, 0.0], [0.1, 0.0, 1.5]]]
)


def two_clusters() -> CodeDistribution:
    return CodeDistribution(WEIGHTS, MEANS, COVARIANCES)


# ----------------------------------------------------------------------------------------------------------- sampling


@pytest.mark.parametrize("n_codes", [1, 2, 20])
def test_a_standard_normal_has_mean_0_and_variance_1_and_nothing_in_common_along_the_code(n_codes):
    z = standard_normal(n_codes).sample(20_000, seed=0)
    assert (z.shape, z.dtype) == ((20_000, n_codes), torch.float32)
    assert z.mean(dim=0).abs().max() < 0.035  # five standard errors
    assert (torch.atleast_2d(z.T.cov()) - torch.eye(n_codes)).abs().max() < 0.06


def test_samples_of_a_mixture_have_its_weights_means_and_covariances():
    z = two_clusters().sample(50_000, seed=0)
    of_second = z[:, 0] > 0.7  # four and six standard deviations from the two means
    assert of_second.double().mean().item() == pytest.approx(0.8, abs=0.01)
    for i, chosen in enumerate((~of_second, of_second)):
        torch.testing.assert_close(z[chosen].mean(dim=0), MEANS[i], atol=0.06, rtol=0)
        torch.testing.assert_close(z[chosen].T.cov(), COVARIANCES[i], atol=0.1, rtol=0)


@pytest.mark.parametrize("make", [lambda: standard_normal(2), two_clusters])
def test_the_same_seed_gives_the_same_codes_and_the_global_random_numbers_are_left_alone(make):
    torch.manual_seed(1)
    state, z = torch.get_rng_state(), make().sample(5, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(make().sample(5, seed=3), z)
    assert not torch.equal(make().sample(5, seed=4), z)


def test_many_samples_are_drawn_part_by_part_and_none_twice(monkeypatch):
    monkeypatch.setattr(generation, "SAMPLES_AT_A_TIME", 4)
    sizes, distribution = [], two_clusters()
    draw = distribution.mixture.sample
    monkeypatch.setattr(distribution.mixture, "sample", lambda shape: (sizes.append(shape[0]), draw(shape))[1])
    z = distribution.sample(10, seed=0)
    assert sizes == [4, 4, 2]
    assert z.shape == (10, 3)
    assert len(z.unique(dim=0)) == 10


# ------------------------------------------------------------------------------------------------------------ density


def log_density(distribution: CodeDistribution, z: torch.Tensor) -> torch.Tensor:
    return distribution.mixture.log_prob(z.double())


def test_the_density_is_scipys():
    z = 3 * torch.randn(50, 3)
    of_each = [math.log(w) + multivariate_normal(m, c).logpdf(z.numpy())
               for w, m, c in zip(WEIGHTS, MEANS.numpy(), COVARIANCES.numpy(), strict=True)]  # fmt: skip
    found = log_density(two_clusters(), z)
    assert found.numpy() == pytest.approx(logsumexp(of_each, axis=0), rel=1e-5)
    expected = multivariate_normal(np.zeros(3)).logpdf(z.numpy())
    assert log_density(standard_normal(3), z).numpy() == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------------------------------------------------ fitted to codes


@pytest.mark.parametrize("n_codes", [1, 2, 5])
def test_a_fitted_gaussian_has_the_mean_and_covariance_of_the_codes(n_codes):
    codes = torch.randn(200, n_codes) @ torch.randn(n_codes, n_codes) + 3 * torch.randn(n_codes)
    fitted, x = fitted_gaussian(codes), codes.double().numpy()
    expected = multivariate_normal(x.mean(axis=0), np.cov(x.T)).logpdf(x)
    assert log_density(fitted, codes).numpy() == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_a_unit_that_is_dead_stays_dead_in_a_fitted_gaussian():
    codes = torch.randn(500, 4)
    codes[:, 1], codes[:, 3] = 0, 2.5
    z = fitted_gaussian(codes).sample(1_000, seed=0)
    assert z[:, 1].abs().max() < 1e-3
    assert (z[:, 3] - 2.5).abs().max() < 1e-3
    assert z[:, [0, 2]].std(dim=0).tolist() == pytest.approx([1, 1], abs=0.15)


def test_a_fitted_mixture_finds_two_clusters_where_a_gaussian_fills_the_gap_between():
    codes = two_clusters().sample(2_000, seed=0)
    mixture, one = fitted_mixture(codes, n_components=2), fitted_gaussian(codes)
    between = MEANS.mean(dim=0, keepdim=True)
    assert log_density(mixture, between) < log_density(mixture, MEANS).min() - 5
    assert log_density(one, between) > log_density(one, MEANS[:1])
    new = two_clusters().sample(2_000, seed=1)
    truth = log_density(two_clusters(), new).mean()
    assert log_density(mixture, new).mean().item() == pytest.approx(truth.item(), abs=0.05)
    assert log_density(one, new).mean() < truth - 0.5


def test_a_fitted_mixture_is_the_same_for_a_seed():
    codes = torch.randn(200, 2)
    densities = [log_density(fitted_mixture(codes, n_components=4, seed=seed), codes) for seed in (0, 0, 1)]
    assert torch.equal(densities[0], densities[1])
    assert not torch.equal(densities[0], densities[2])


@pytest.mark.parametrize(
    ("fit", "shape", "least"),
    [
        (fitted_gaussian, (1, 3), 2),
        (fitted_gaussian, (0, 3), 2),
        (fitted_gaussian, (7,), 2),
        (fitted_mixture, (9, 3), 10),
        (lambda codes: fitted_mixture(codes, n_components=1), (1, 3), 2),
        (fitted_mixture, (20, 3, 1), 10),
    ],
)
def test_too_few_codes_to_fit_are_refused_with_the_number_needed(fit, shape, least):
    with pytest.raises(ValueError, match=rf"n at least {least}; not \({shape[0]},"):
        fit(torch.rand(shape))


# ------------------------------------------------------------------------------------------------------------- planes


def test_a_grid_over_a_plane_lies_as_its_images_do_when_they_are_tiled():
    z = plane_grid((-2.0, 1.0), (4.0, 7.0), n_side=4)
    assert z.shape == (16, 2)
    x, y = (tile(z[:, axis].view(16, 1, 1, 1), n_columns=4, pad=0) for axis in (0, 1))
    assert x.tolist() == [[-2, 0, 2, 4]] * 4  # from left to right
    assert y.T.tolist() == [[7, 5, 3, 1]] * 4  # from the top down


@pytest.mark.parametrize(
    ("low", "high", "n_side"),
    [((0, 0), (1, 1), 1), ((0, 0), (0, 1), 3), ((0, 2), (1, 1), 3), ((0, 0), (float("nan"), 1), 3)],
)
def test_a_plane_without_extent_is_refused(low, high, n_side):
    with pytest.raises(ValueError, match="n_side of at least 2 and low below high") as refusal:
        plane_grid(low, high, n_side=n_side)
    assert f"{n_side}, {low} and {high}" in str(refusal.value)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_the_limits_are_a_square_around_that_share_of_the_codes(share):
    codes = torch.rand(10_000, 2) * torch.tensor([1.0, 4.0]) + torch.tensor([10.0, -2.0])
    low, high = limits_of(codes, share=share)
    side = high[1] - low[1]
    assert high[0] - low[0] == pytest.approx(side)
    assert side == pytest.approx(1.1 * share * 4, rel=0.02)  # with a margin of a twentieth at either end
    assert [(a + b) / 2 for a, b in zip(low, high, strict=True)] == pytest.approx([10.5, 0], abs=0.1)
    inside = (codes > torch.tensor(low)) & (codes < torch.tensor(high))
    assert (inside.double().mean(dim=0) >= share).all()


def test_limits_do_not_follow_single_codes_far_out():
    codes = torch.rand(1_000, 2)
    limits = limits_of(codes)
    codes[:3] = 1e6
    assert np.array(limits_of(codes)) == pytest.approx(np.array(limits), abs=0.02)


def test_limits_of_a_code_that_is_the_same_for_all_are_still_a_plane():
    low, high = limits_of(torch.ones(20, 2))
    assert low[0] < 1 < high[0]
    assert plane_grid(low, high, n_side=2).shape == (4, 2)


@pytest.mark.parametrize("shape", [(9, 3), (9, 1), (9,)])
def test_limits_of_codes_that_are_not_in_a_plane_are_refused_with_the_cure(shape):
    with pytest.raises(ValueError, match=r"A plane needs a model with a code of 2 numbers") as refusal:
        limits_of(torch.rand(shape))
    assert str(shape) in str(refusal.value)


# --------------------------------------------------------------------------------------------------------- line, circle


@pytest.mark.parametrize("n", [2, 3, 11])
def test_a_line_goes_from_start_to_end_in_equal_steps(n):
    start, end = torch.randn(2, 5)
    z = line(start, end, n=n)
    assert z.shape == (n, 5)
    torch.testing.assert_close(z[0], start)
    torch.testing.assert_close(z[-1], end)
    torch.testing.assert_close(z.diff(dim=0), ((end - start) / (n - 1)).expand(n - 1, 5))


@pytest.mark.parametrize(("start", "end", "n"), [((5,), (4,), 3), ((1, 5), (1, 5), 3), ((5,), (5,), 1)])
def test_a_line_between_what_are_no_two_codes_is_refused(start, end, n):
    with pytest.raises(ValueError, match="A line needs two codes") as refusal:
        line(torch.rand(start), torch.rand(end), n=n)
    assert f"{start}, {end}, {n}" in str(refusal.value)


def test_a_circle_begins_on_the_right_and_goes_counter_clockwise_without_a_point_twice():
    z = circle(torch.tensor([1.0, -2.0]), 3.0, n=4)
    torch.testing.assert_close(z, torch.tensor([[4.0, -2.0], [1.0, 1.0], [-2.0, -2.0], [1.0, -5.0]]))
    many = circle(torch.zeros(2), 0.5, n=50)
    assert many.norm(dim=1).tolist() == pytest.approx([0.5] * 50)
    steps = (many - many.roll(1, dims=0)).norm(dim=1)
    assert steps.tolist() == pytest.approx([steps[0].item()] * 50, rel=1e-4)  # from the last to the first, too


@pytest.mark.parametrize(("shape", "radius", "n"), [((3,), 1, 5), ((1, 2), 1, 5), ((2,), 0, 5), ((2,), -1, 5),
                                                    ((2,), 1, 1)])  # fmt: skip
def test_what_is_no_circle_in_a_plane_is_refused(shape, radius, n):
    with pytest.raises(ValueError, match=r"A circle needs a centre \(2,\), a radius above 0"):
        circle(torch.zeros(shape), radius, n=n)


# -------------------------------------------------------------------------------------------------- images, and drift

MODELS = {
    "dense": lambda: DeepAutoencoder((24, 11, 5)),
    "variational": lambda: VariationalAutoencoder((24, 11, 5)),
    "convolution": lambda: ConvAutoencoder((1, 4, 6), 5, channels=(3,)),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


@every_model
def test_images_of_codes_are_what_the_decoder_makes_of_each(make):
    model, z = make(), torch.randn(7, 5)
    images = decode_images(model, z, (1, 4, 6))
    assert images.shape == (7, 1, 4, 6)
    assert not images.requires_grad
    torch.testing.assert_close(images.flatten(1), model.decode(z).detach().flatten(1))


@every_model
@pytest.mark.parametrize("shape", [(7, 4), (7, 1, 5)])
def test_codes_of_another_size_make_no_images(make, shape):
    for call in (decode_images, drift):
        with pytest.raises(ValueError, match=r"codes of shape \(n, 5\)") as refusal:
            call(make(), torch.rand(shape), (1, 4, 6))
        assert str(shape) in str(refusal.value)


def test_an_image_shape_of_another_size_is_not_filled_with_parts_of_images():
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        decode_images(MODELS["dense"](), torch.rand(7, 5), (1, 4, 3))


def linear(gain: float) -> LinearAutoencoder:
    """A model whose encoder undoes the decoder, but for a factor."""
    model = LinearAutoencoder(24, 5, mean=torch.rand(24))
    with torch.no_grad():
        model.decoder.weight.mul_(gain)
    return model


def test_a_code_comes_back_where_the_encoder_undoes_the_decoder_and_drifts_where_it_does_not():
    z = 3 * torch.randn(9, 5)
    assert drift(linear(1.0), z, (1, 4, 6)).abs().max() < 1e-4
    for gain in (0.0, 0.5, 3.0):  # z comes back as gain · z
        found = drift(linear(gain), z, (1, 4, 6))
        assert found.shape == (9,)
        torch.testing.assert_close(found, abs(gain - 1) * z.norm(dim=1))


@every_model
def test_the_codes_of_a_model_with_a_squashing_function_drift(make):
    model, z = make(), torch.randn(9, 5)
    found = drift(model, z, (1, 4, 6))
    assert (found > 0.01).all()
    again = model.encode(model.decode(z).view(9, 1, 4, 6)).detach()
    torch.testing.assert_close(found, (again - z).norm(dim=1))


# ------------------------------------------------------------------------------------------------------------- memory


def refused_number(call) -> int:
    """The number to take instead, which the refusal of too many names."""
    with pytest.raises(MemoryError, match=r"GiB are free\. Take at most [\d,]+ at a time") as refusal:
        call()
    return int(re.search(r"at most ([\d,]+)", str(refusal.value)).group(1).replace(",", ""))


@pytest.mark.parametrize(
    "ask",
    [
        lambda n: standard_normal(2).sample(n, seed=0),
        lambda n: check_memory(n, 784, what="images"),
        lambda n: decode_images(DeepAutoencoder((24, 5)), torch.empty(1, 5).expand(n, 5), (1, 4, 6)),
        lambda n: plane_grid((0, 0), (1, 1), n_side=math.isqrt(n)),
    ],
    ids=["codes", "check", "images", "grid"],
)
def test_more_than_memory_allows_is_refused_before_any_is_taken(ask):
    n = 10**12
    assert 0 < refused_number(lambda: ask(n)) < n


def test_the_number_named_fits_and_one_more_does_not(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=80_000))
    ask = standard_normal(2).sample
    fits = refused_number(lambda: ask(10**6, seed=0))
    assert fits == 5_000  # of 2 · 4 bytes each: half of what is free
    assert ask(fits, seed=0).shape == (fits, 2)
    assert refused_number(lambda: ask(fits + 1, seed=0)) == fits


@pytest.mark.parametrize("n", [0, -3])
def test_none_at_all_is_refused(n):
    with pytest.raises(ValueError, match=f"{n} codes cannot be made; ask for at least 1"):
        standard_normal(2).sample(n, seed=0)


def test_no_code_makes_no_image():
    with pytest.raises(ValueError, match="0 images cannot be made"):
        decode_images(DeepAutoencoder((24, 5)), torch.rand(0, 5), (1, 4, 6))


def test_codes_are_float32_whatever_torchs_default_type_is(float64_by_default):
    z = torch.rand(30, 2, dtype=torch.float32)
    for codes in (
        standard_normal(2).sample(3, seed=0), fitted_gaussian(z).sample(3, seed=0),
        fitted_mixture(z, n_components=2).sample(3, seed=0), plane_grid(*limits_of(z), n_side=3),
        line(z[0], z[1], n=4), circle(z[0], 1.0, n=4),
    ):  # fmt: skip
        assert codes.dtype == torch.float32


def test_the_likelihood_is_that_of_the_sum_over_all_codes():
    """A code of one number can be summed over on a grid."""
    torch.manual_seed(0)
    model = VariationalAutoencoder((6, 5, 1)).double()
    for name, parameter in model.named_parameters():  # the encoder is about right, or the sample is dominated by a few
        parameter.data.normal_(0, 1.0 if name.startswith("decoder") else 0.4)
    x = torch.bernoulli(torch.full((4, 6), 0.5, dtype=torch.float64))
    z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        p = model.decode(z)
    log_pixels = (x[:, None] * p.log() + (1 - x[:, None]) * (1 - p).log()).sum(dim=2)  # (4, codes)
    log_prior = -0.5 * z[:, 0].square() - 0.5 * math.log(2 * math.pi) + math.log(24 / 20_000)
    exact = -(log_pixels + log_prior).logsumexp(dim=1)
    model.float()
    estimated = nll_of_each_image(model, x.float(), n_samples=50_000)
    assert estimated.tolist() == pytest.approx(exact.tolist(), abs=0.05)
    with torch.no_grad():
        _, mean, log_variance = model.forward_sampled(x.float())
        one_sample = nll_of_each_image(model, x.float().repeat(2_000, 1), n_samples=1).mean()
    assert one_sample > exact.mean() + 0.05  # the negative ELBO, which is above it
    assert kl_nats_per_image(mean, log_variance) > 0


def test_grey_pixels_have_no_likelihood():
    with pytest.raises(ValueError, match=r"torch\.bernoulli"):
        nll_of_each_image(VariationalAutoencoder((6, 5, 1)), torch.full((2, 6), 0.5))
