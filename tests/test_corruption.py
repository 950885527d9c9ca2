import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

from course_utils.corruption import (
    corrupted,
    gaussian,
    masking,
    one_of,
    salt_and_pepper,
    shifting,
    varied_masking,
)

MAKERS = {
    "masking": lambda: masking(0.3),
    "varied_masking": lambda: varied_masking(0.1),
    "shifting": lambda: shifting(2),
    "gaussian": lambda: gaussian(0.5),
    "gaussian, not clipped": lambda: gaussian(0.5, clip=False),
    "salt and pepper": lambda: salt_and_pepper(0.3),
    "one of": lambda: one_of(gaussian(0.5), shifting(2), salt_and_pepper(0.3)),
}
every_corruption = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --------------------------------------------------------------------------------------------------------------- all


@every_corruption
def test_the_same_generator_gives_the_same_noise_and_another_seed_another(make):
    corrupt, x = make(), torch.rand(20, 1, 9, 7)
    assert torch.equal(corrupt(x, generator(3)), corrupt(x, generator(3)))
    assert not torch.equal(corrupt(x, generator(3)), corrupt(x, generator(4)))
    going_on = generator(3)
    assert not torch.equal(corrupt(x, going_on), corrupt(x, going_on))


@every_corruption
def test_noise_neither_depends_on_nor_disturbs_the_global_random_numbers(make):
    corrupt, x = make(), torch.rand(20, 1, 9, 7)
    torch.manual_seed(1)
    noisy, state = corrupt(x, generator()), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(corrupt(x, generator()), noisy)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


@every_corruption
def test_x_is_left_as_it_was_and_what_comes_out_has_its_shape_and_type(make):
    x = torch.rand(20, 3, 9, 7, dtype=torch.float64)
    before = x.clone()
    noisy = make()(x, generator())
    noisy.zero_()
    assert torch.equal(x, before)
    assert noisy.shape == x.shape
    assert noisy.dtype == x.dtype
    assert noisy.is_contiguous()


@pytest.mark.parametrize(
    "make", [lambda: masking(0), lambda: varied_masking(1), lambda: shifting(0), lambda: gaussian(0),
             lambda: salt_and_pepper(0), lambda: one_of(masking(0), gaussian(0))],
)  # fmt: skip
def test_no_noise_at_all_changes_nothing(make):
    x = torch.rand(5, 3, 4, 6)
    assert torch.equal(make()(x, generator()), x)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: masking(0.25), "masking(0.25)"),
        (lambda: masking(0.5), "masking(0.5)"),
        (lambda: varied_masking(0.01), "varied_masking(0.01)"),
        (lambda: shifting(3), "shifting(3)"),
        (lambda: gaussian(0.5), "gaussian(0.5, clip=True)"),
        (lambda: gaussian(0.5, clip=False), "gaussian(0.5, clip=False)"),
        (lambda: salt_and_pepper(0.2), "salt_and_pepper(0.2)"),
        (lambda: one_of(masking(0.5), shifting(1)), "one_of(masking(0.5), shifting(1))"),
    ],
)
def test_a_corruption_is_named_after_its_noise(make, name):
    assert make().__name__ == name


@every_corruption
def test_a_corruption_can_be_pickled_and_is_the_same_then(make):
    corrupt, x = make(), torch.rand(20, 1, 9, 7)
    again = pickle.loads(pickle.dumps(corrupt))
    assert again.__name__ == corrupt.__name__
    assert torch.equal(again(x, generator()), corrupt(x, generator()))


@every_corruption
def test_the_noise_does_not_depend_on_torchs_default_type(make, float64_by_default):
    x = torch.rand(20, 1, 9, 7, dtype=torch.float32)
    noisy = make()(x, generator())
    assert noisy.dtype == torch.float32
    torch.set_default_dtype(torch.float32)
    assert torch.equal(make()(x, generator()), noisy)


@every_corruption
def test_no_samples_stay_no_samples(make):
    assert make()(torch.empty(0, 1, 9, 7), generator()).shape == (0, 1, 9, 7)


@pytest.mark.parametrize("make", [MAKERS["gaussian"], MAKERS["salt and pepper"], lambda: one_of(gaussian(0))])
@pytest.mark.parametrize("value", [-0.01, 1.01, 3.1, np.nan, np.inf])
def test_what_is_for_pixels_refuses_other_numbers(make, value):
    x = torch.rand(5, 1, 4, 6)
    make()(x, generator())
    x[2, 0, 1, 1] = value
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        make()(x, generator())
    gaussian(0.5, clip=False)(x, generator())
    masking(0.5)(x, generator())


# ----------------------------------------------------------------------------------------------------------- masking


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(100, 400), (50, 1, 40, 20), (20, 2_000)])
def test_the_share_of_zeros_is_the_one_asked_for_and_the_rest_is_x(share, shape):
    x = 1 + torch.rand(shape)
    noisy = masking(share)(x, generator())
    is_zero = noisy == 0
    assert is_zero.double().mean().item() == pytest.approx(share, abs=0.01)  # four standard deviations
    assert torch.equal(noisy[~is_zero], x[~is_zero])


def test_each_number_is_masked_by_itself():
    is_zero = (masking(0.5)(torch.ones(400, 3, 2, 10), generator()) == 0).double().flatten(1)
    assert is_zero.mean(dim=0).numpy() == pytest.approx(np.full(60, 0.5), abs=0.1)
    assert is_zero.mean(dim=1).numpy() == pytest.approx(np.full(400, 0.5), abs=0.35)
    correlations = torch.corrcoef(is_zero.T) - torch.eye(60)
    assert correlations.abs().max() < 0.3


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan")])
def test_a_share_that_leaves_nothing_or_is_none_is_refused(share):
    with pytest.raises(ValueError, match=f"share is {share}; it must be at least 0 and below 1"):
        masking(share)


# ---------------------------------------------------------------------------------------------------- varied_masking


@pytest.mark.parametrize("shape", [(300, 4_000), (300, 1, 80, 50)])
@pytest.mark.parametrize("least_kept", [0.01, 0.1, 0.5])
def test_the_share_that_a_sample_keeps_is_spread_evenly_over_the_logarithms(least_kept, shape):
    kept = (varied_masking(least_kept)(torch.ones(shape), generator()) > 0).double().flatten(1).mean(dim=1)
    places = np.sort(np.log(kept.numpy()) / np.log(least_kept))  # 0: all is kept, 1: the least
    assert np.abs(places - (np.arange(300) + 0.5) / 300).max() < 0.1  # Kolmogorov's distance; 0.094 with p = 0.01


def test_what_a_sample_keeps_is_x_and_lies_anywhere_in_it():
    x = 1 + torch.rand(2_000, 3, 2, 10)
    noisy = varied_masking(0.1)(x, generator())
    is_zero = noisy == 0
    assert torch.equal(noisy[~is_zero], x[~is_zero])
    expected = 1 - 0.9 / np.log(10)  # the mean of 1 − 0.1 ** u, u from 0 to 1
    assert is_zero.double().flatten(1).mean(dim=0).numpy() == pytest.approx(np.full(60, expected), abs=0.05)


def test_within_a_sample_each_number_is_masked_by_itself():
    is_zero = varied_masking(0.5)(torch.ones(3_000, 10), generator()) == 0
    both = (is_zero[:, :5] & is_zero[:, 5:]).double().mean().item()
    kept = (0.5 ** torch.linspace(0, 1, 10_001)).double()
    assert both == pytest.approx((1 - kept).square().mean().item(), abs=0.02)


@pytest.mark.parametrize("least_kept", [-0.1, 0, 1.01, float("nan"), float("inf")])
def test_a_least_share_that_keeps_nothing_or_is_none_is_refused(least_kept):
    with pytest.raises(ValueError, match=f"least_kept is {least_kept}; it must be above 0 and at most 1"):
        varied_masking(least_kept)


# ---------------------------------------------------------------------------------------------------------- shifting


def moved(image: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """A `(c, h, w)` image moved dy pixels down and dx to the right, number by number."""
    result = np.zeros_like(image)
    c, h, w = image.shape
    for channel in range(c):
        for row in range(h):
            for column in range(w):
                if 0 <= row + dy < h and 0 <= column + dx < w:
                    result[channel, row + dy, column + dx] = image[channel, row, column]
    return result


def shifts(x: Tensor, noisy: Tensor, max_pixels: int) -> list[tuple[int, int]]:
    """The one shift of each image that explains what came out."""
    steps, found = range(-max_pixels, max_pixels + 1), []
    for clean, result in zip(x.numpy(), noisy.numpy(), strict=True):
        fitting = [(dy, dx) for dy in steps for dx in steps if np.array_equal(moved(clean, dy, dx), result)]
        assert len(fitting) == 1
        found += fitting
    return found


@pytest.mark.parametrize("shape", [(40, 1, 5, 7), (40, 3, 6, 4), (40, 1, 3, 3)])
def test_each_image_is_moved_as_a_whole_and_what_moves_in_is_0(shape):
    x = 0.1 + torch.rand(shape)
    noisy = shifting(2)(x, generator())
    assert len(set(shifts(x, noisy, 2))) > 10


def test_every_shift_up_to_the_largest_is_as_likely_as_any_other():
    x = 0.1 + torch.rand(1, 1, 3, 4).expand(900, 1, 3, 4)
    counts = np.zeros((3, 3))
    for dy, dx in shifts(x, shifting(1)(x, generator()), 1):
        counts[dy + 1, dx + 1] += 1
    assert counts.min() > 60  # 100 are expected, with a standard deviation of 10
    assert counts.max() < 140


@pytest.mark.parametrize("shape", [(4, 25), (1, 5, 5), (2, 1, 3, 9), (2, 1, 9, 3), (2, 1, 2, 2)])
def test_what_is_no_image_larger_than_the_shift_is_refused_with_its_shape(shape):
    with pytest.raises(ValueError, match=r"shifting\(3\) takes \(n, c, h, w\) images larger") as refusal:
        shifting(3)(torch.rand(shape), generator())
    assert str(shape) in str(refusal.value)


def test_a_negative_shift_is_refused():
    with pytest.raises(ValueError, match="max_pixels is -1; it must be at least 0"):
        shifting(-1)


# ---------------------------------------------------------------------------------------------------------- gaussian


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sd", [0.01, 0.5, 3.0])
def test_gaussian_noise_has_the_standard_deviation_asked_for_in_the_unit_of_x(sd, dtype):
    added = gaussian(sd, clip=False)(torch.full((100, 1, 20, 20), 0.5, dtype=dtype), generator()) - 0.5
    assert added.dtype == dtype
    assert added.std().item() == pytest.approx(sd, rel=0.015)  # four standard errors
    assert added.mean().item() == pytest.approx(0, abs=0.02 * sd)
    assert (added.abs() < sd).double().mean().item() == pytest.approx(0.6827, abs=0.01)


def test_gaussian_noise_of_each_number_is_its_own():
    added = gaussian(1.0, clip=False)(torch.zeros(2_000, 3, 2, 5), generator()).flatten(1)
    assert (torch.corrcoef(added.T) - torch.eye(30)).abs().max() < 0.1


def test_what_leaves_black_to_white_is_clipped_unless_that_is_not_wanted():
    x = torch.rand(50, 1, 10, 10)
    free, clipped = gaussian(0.5, clip=False)(x, generator()), gaussian(0.5)(x, generator())
    assert free.min() < -0.5
    assert free.max() > 1.5
    assert torch.equal(clipped, free.clamp(0, 1))


def test_on_black_clipping_leaves_the_positive_half_of_the_noise():
    noisy = gaussian(0.2)(torch.zeros(100, 400), generator())
    assert (noisy == 0).double().mean().item() == pytest.approx(0.5, abs=0.01)
    assert noisy.mean().item() == pytest.approx(0.2 / np.sqrt(2 * np.pi), rel=0.03)


@pytest.mark.parametrize("sd", [-0.1, float("nan"), float("inf")])
def test_a_standard_deviation_that_cannot_be_is_refused(sd):
    with pytest.raises(ValueError, match=f"sd is {sd}; the standard deviation of the noise is a number of at least 0"):
        gaussian(sd)


# --------------------------------------------------------------------------------------------------- salt and pepper


@pytest.mark.parametrize("share", [0.1, 0.5, 1])
def test_half_of_the_share_is_salt_and_half_pepper_and_the_rest_is_x(share):
    x = 0.25 + 0.5 * torch.rand(100, 1, 20, 20)
    noisy = salt_and_pepper(share)(x, generator())
    is_salt, is_pepper = noisy == 1, noisy == 0
    assert is_salt.double().mean().item() == pytest.approx(share / 2, abs=0.01)
    assert is_pepper.double().mean().item() == pytest.approx(share / 2, abs=0.01)
    rest = ~(is_salt | is_pepper)
    assert torch.equal(noisy[rest], x[rest])


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan")])
def test_a_share_of_pixels_that_cannot_be_is_refused(share):
    with pytest.raises(ValueError, match=f"share is {share}; the share of pixels that are replaced is from 0 to 1"):
        salt_and_pepper(share)


@pytest.mark.parametrize("make", [lambda: gaussian(0.5), lambda: salt_and_pepper(0.5), lambda: one_of(gaussian(0.5))])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_bytes_are_refused_with_the_cure(make, dtype):
    with pytest.raises(ValueError, match=rf"{dtype}: divide bytes by 255"):
        make()(torch.zeros(4, 1, 3, 3, dtype=dtype), generator())


# ------------------------------------------------------------------------------------------------------------- one of


def add(amount: float):
    """A corruption that leaves its mark on every number."""

    def corrupt(x: Tensor, generator: torch.Generator) -> Tensor:
        return x + amount

    return corrupt


def test_each_sample_gets_exactly_one_kind_and_each_kind_about_its_share_of_the_samples():
    x = torch.rand(3_000, 1, 2, 3, dtype=torch.float64)
    added = (one_of(add(1), add(10), add(100))(x, generator()) - x).flatten(1).round()
    assert (added == added[:, :1]).all()
    kinds, counts = added[:, 0].unique(return_counts=True)
    assert kinds.tolist() == [1, 10, 100]
    assert counts.tolist() == pytest.approx([1_000] * 3, abs=110)  # four standard deviations


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_batch_may_be_too_small_for_every_kind(n):
    x = torch.rand(n, 1, 5, 5)
    for seed in range(5):
        assert one_of(shifting(1), masking(0.5), varied_masking(0.1))(x, generator(seed)).shape == x.shape


def test_one_of_none_is_refused():
    with pytest.raises(ValueError, match="one_of takes at least one corruption"):
        one_of()


def test_corrupted_is_the_corruption_with_a_generator_of_that_seed():
    x = torch.rand(5, 1, 4, 4)
    assert torch.equal(corrupted(x, gaussian(0.5), seed=3), gaussian(0.5)(x, generator(3)))
