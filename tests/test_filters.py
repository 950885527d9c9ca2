import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from course_utils.corruption import corrupted, gaussian, salt_and_pepper
from course_utils.data import DataError
from course_utils.filters import FILTERS, TunedFilter, best_filter, tuned_filter
from course_utils.metrics import psnr_db

every_filter = pytest.mark.parametrize("name", FILTERS)
N = 40


@pytest.fixture(scope="module")
def noisy_and_clean(digits) -> tuple[Tensor, Tensor]:
    x = digits.train_images[:N]
    return corrupted(x, gaussian(0.5), seed=0), x


def with_grey_values_by_hand(y: np.ndarray, x: Tensor) -> tuple[float, float, Tensor]:
    """Gain and offset that bring y nearest to x, by the textbook's regression line, and what they make of y."""
    y, x = y.astype(np.float64), x.double().numpy()
    gain = ((y - y.mean()) * (x - x.mean())).mean() / y.var()
    offset = x.mean() - gain * y.mean()
    return gain, offset, torch.from_numpy(np.clip(gain * y + offset, 0, 1))


# ------------------------------------------------------------------------------------------------------------ tuning


@every_filter
def test_a_tuned_filter_has_the_best_strength_of_those_tried_and_the_best_grey_values_there(name, noisy_and_clean):
    noisy, x = noisy_and_clean
    smooth, strengths = FILTERS[name]
    by_hand = {s: with_grey_values_by_hand(smooth(noisy.numpy(), s), x) for s in strengths}
    decibels = {strength: psnr_db(x_hat, x.double()) for strength, (_, _, x_hat) in by_hand.items()}
    tuned, psnr = tuned_filter(name, noisy, x)
    assert tuned.strength == max(decibels, key=decibels.get)
    assert psnr == pytest.approx(max(decibels.values()), abs=1e-4)
    assert (tuned.gain, tuned.offset) == pytest.approx(by_hand[tuned.strength][:2], rel=1e-4)
    assert psnr_db(tuned(noisy), x) == pytest.approx(psnr)


@every_filter
def test_a_tuned_filter_beats_none_on_other_images(name, noisy_and_clean, digits):
    tuned, _ = tuned_filter(name, *noisy_and_clean)
    x = digits.test_images[:N]
    noisy = corrupted(x, gaussian(0.5), seed=1)
    only_stretched = TunedFilter("median", 1, *with_grey_values_by_hand(noisy.numpy(), x)[:2])
    assert psnr_db(tuned(noisy), x) > psnr_db(only_stretched(noisy), x) + 1
    assert psnr_db(tuned(noisy), x) > psnr_db(noisy, x) + 4
    assert tuned.strength > FILTERS[name][1][0]  # the least of them is hardly any smoothing


def test_the_less_noise_the_less_a_filter_smooths(digits):
    x = digits.train_images[:N]
    strengths = [tuned_filter("Gaussian", corrupted(x, gaussian(sd), seed=0), x)[0].strength for sd in (0, 0.2, 0.6)]
    assert strengths == sorted(set(strengths))
    assert strengths[0] == 0.01


def test_the_best_filter_is_the_best_of_those_named(noisy_and_clean):
    decibels = {name: tuned_filter(name, *noisy_and_clean)[1] for name in FILTERS}
    ranked = sorted(FILTERS, key=decibels.get)
    assert best_filter(*noisy_and_clean).name == ranked[-1]
    assert best_filter(*noisy_and_clean, names=ranked[:2]).name == ranked[1]
    assert best_filter(*noisy_and_clean, names=ranked[:1]) == tuned_filter(ranked[0], *noisy_and_clean)[0]


def test_a_median_is_what_salt_and_pepper_need(digits):
    x = digits.train_images[:N]
    peppered = corrupted(x, salt_and_pepper(0.2), seed=0)
    assert best_filter(peppered, x, names=("Gaussian", "median")).name == "median"


# ------------------------------------------------------------------------------------------------------- grey values


@every_filter
def test_the_stretch_takes_away_the_grey_veil_that_clipped_noise_leaves_on_black(name, noisy_and_clean):
    noisy, x = noisy_and_clean
    tuned, psnr = tuned_filter(name, noisy, x)
    veiled = replace(tuned, gain=1.0, offset=0.0)(noisy)
    at_least, decibels = (0.08, 0.4) if name == "median" else (0.18, 2.5)  # half of the noise on black is at 0
    assert veiled[x == 0].mean() > at_least
    assert tuned(noisy)[x == 0].mean() < 0.08
    assert decibels < psnr - psnr_db(veiled, x) < 5


def test_grey_values_are_exact_for_a_million_pixels_of_little_contrast():
    """In single precision numpy's fit drops half of the line here, with a warning at most."""
    x = 0.4 + 0.2 * torch.rand(120, 3, 64, 64)
    noisy = corrupted(x, gaussian(0.1), seed=0)
    tuned, _ = tuned_filter("median", noisy, x)
    smooth, _ = FILTERS["median"]
    gain, offset, _ = with_grey_values_by_hand(smooth(noisy.numpy(), tuned.strength), x)
    assert (tuned.gain, tuned.offset) == pytest.approx((gain, offset), rel=1e-3)


@every_filter
def test_of_an_image_without_contrast_there_is_nothing_to_learn(name):
    for level in (0.0, 0.25, 1.0):
        x = torch.full((3, 1, 9, 9), level)
        tuned, psnr = tuned_filter(name, x, x)
        assert (tuned.gain, tuned.offset) == (1.0, 0.0)
        assert psnr == pytest.approx(100)
        torch.testing.assert_close(tuned(x), x)


# ------------------------------------------------------------------------------------------------------------ images


@every_filter
@pytest.mark.parametrize("shape", [(3, 1, 12, 9), (3, 3, 12, 9), (1, 1, 8, 8)])
def test_what_comes_out_has_the_shape_of_the_images_and_x_is_left_alone(name, shape):
    x = torch.rand(shape)
    before = x.clone()
    y = TunedFilter(name, FILTERS[name][1][1], gain=9.0, offset=-4.0)(x)
    assert (y.shape, y.dtype) == (x.shape, torch.float32)
    assert 0 <= y.min() < y.max() <= 1
    assert torch.equal(x, before)


@every_filter
def test_images_are_filtered_each_by_itself(name):
    x = torch.rand(3, 1, 12, 9)
    smooth = TunedFilter(name, FILTERS[name][1][2])
    for i in range(3):
        torch.testing.assert_close(smooth(x)[i : i + 1], smooth(x[i : i + 1]))


@pytest.mark.parametrize("name", ["median", "Gaussian"])
def test_colours_are_filtered_each_by_itself(name):
    x = torch.rand(2, 3, 12, 9)
    smooth = TunedFilter(name, FILTERS[name][1][2])
    torch.testing.assert_close(smooth(x), torch.cat([smooth(x[:, c : c + 1]) for c in range(3)], dim=1))


@every_filter
def test_a_step_stays_where_it_is_and_smoothing_is_in_both_directions(name):
    step = torch.zeros(1, 1, 16, 16)
    step[..., 8:] = 1
    noisy = (0.25 + 0.5 * step + 0.1 * torch.randn(1, 1, 16, 16)).clamp(0, 1)
    smooth = TunedFilter(name, FILTERS[name][1][2])
    for x, place in ((noisy, smooth(noisy)), (noisy.mT, smooth(noisy.mT).mT)):
        assert (place[..., 10:].mean() - place[..., :6].mean()).item() == pytest.approx(0.5, abs=0.1)
        assert place[..., 10:].std() < noisy[..., 10:].std()
        assert x.shape == place.shape
    torch.testing.assert_close(smooth(noisy.mT).mT, smooth(noisy), atol=0.02, rtol=0)


# -------------------------------------------------------------------------------------------------------------- BM3D


@pytest.mark.parametrize("n_colours", [1, 3])
def test_bm3d_gets_one_image_at_a_time_with_its_colours_last(n_colours, monkeypatch):
    seen = []

    def halved(image: np.ndarray, sd: float) -> np.ndarray:
        seen.append((image.shape, sd))
        return (0.5 * image).squeeze()  # as the package: grey images come back without a channel

    monkeypatch.setitem(sys.modules, "bm3d", SimpleNamespace(bm3d=halved))
    x = torch.rand(4, n_colours, 8, 6)
    torch.testing.assert_close(TunedFilter("BM3D", 0.3)(x), 0.5 * x)
    assert seen == [((8, 6, n_colours), 0.3)] * 4


def test_bm3d_that_is_not_installed_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)  # an import of it fails
    x = torch.rand(2, 1, 8, 8)
    with pytest.raises(DataError, match=r"pip install 'autoencoder-course\[bm3d\]'"):
        tuned_filter("BM3D", x, x)


def test_the_best_filter_does_without_bm3d_unless_it_is_named(noisy_and_clean, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    assert best_filter(*noisy_and_clean).name in FILTERS


# ------------------------------------------------------------------------------------------------------------ errors


def test_an_unknown_filter_is_refused_with_those_there_are():
    x = torch.rand(2, 1, 8, 8)
    with pytest.raises(ValueError, match=r"'wiener'.* median, Gaussian, total variation, non-local"):
        tuned_filter("wiener", x, x)


@every_filter
@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8), (0, 1, 8, 8), (3, 64)])
def test_what_are_no_images_is_refused_with_its_shape(name, shape):
    for call in (lambda x: tuned_filter(name, x, x), TunedFilter(name, 1)):
        with pytest.raises(ValueError, match=r"Filters take images \(n, c, h, w\)") as refusal:
            call(torch.rand(shape))
        assert str(shape) in str(refusal.value)


def test_noisy_images_of_another_shape_than_the_clean_are_refused_with_both():
    with pytest.raises(ValueError, match=r"\(3, 1, 8, 8\).*\(2, 1, 8, 8\)"):
        tuned_filter("median", torch.rand(3, 1, 8, 8), torch.rand(2, 1, 8, 8))
