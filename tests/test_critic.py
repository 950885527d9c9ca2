import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from course_utils.corruption import corrupted, gaussian, shifting
from course_utils.critic import (
    NON_EXAMPLES,
    Critic,
    fit_contrast_blind_critic,
    fit_critic,
    non_examples,
    softened,
    softening,
)
from course_utils.data import ImageData
from course_utils.inference import predict_logits
from course_utils.metrics import cross_entropy
from course_utils.models import Classifier
from course_utils.training import Trainer


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def critic(digits) -> Critic:
    return fit_critic(digits.train_images, digits.train_labels, n_epochs=5)


def shuffled_pixels(x: Tensor) -> Tensor:
    order = torch.rand(len(x), x[0].numel(), generator=generator()).argsort(dim=1)
    return x.flatten(1).gather(1, order).view_as(x)


def share(accepted: Tensor) -> float:
    return accepted.double().mean().item()


# -------------------------------------------------------------------------------------------------- a trained critic


def test_nearly_all_digits_that_it_never_saw_are_accepted(critic, digits):
    assert 0.9 <= share(critic.accepts(digits.test_images)) <= 0.98


def test_its_classes_are_those_of_the_labels(critic, digits):
    assert share(critic.classes(digits.test_images) == digits.test_labels) >= 0.9


@pytest.mark.parametrize(
    ("kind", "at_most"),
    [("mean of 2", 0.45), ("mean of 3", 0.2), ("mean of 6", 0.03), ("halves", 0.7), ("faded", 0.02)],
)
def test_what_it_learnt_to_reject_is_rejected_of_other_digits_too(critic, digits, kind, at_most):
    assert kind in NON_EXAMPLES
    assert share(critic.accepts(non_examples(digits.test_images, kind, generator()))) <= at_most


UNSEEN = {
    "uniform noise": (lambda data: torch.rand(1_000, 1, 28, 28, generator=generator()), 0.01),
    "shuffled pixels": (lambda data: shuffled_pixels(data.test_images), 0.08),
    "nothing at all": (lambda data: torch.zeros(1, 1, 28, 28), 0),
    "a white page": (lambda data: torch.ones(1, 1, 28, 28), 0),
    "mean image": (lambda data: data.train_images.mean(dim=0, keepdim=True), 0),
    "two digits in one place": (lambda data: torch.maximum(data.test_images, data.test_images.roll(7, dims=0)), 0.3),
    "black for white": (lambda data: 1 - data.test_images, 0.01),
    "noisy digits": (lambda data: corrupted(data.test_images, gaussian(0.5), seed=0), 0.05),
}


@pytest.mark.parametrize(("make", "at_most"), UNSEEN.values(), ids=UNSEEN.keys())
def test_what_is_no_digit_is_rejected_though_it_never_saw_the_kind(critic, digits, make, at_most):
    assert share(critic.accepts(make(digits))) <= at_most


def test_a_plain_classifier_is_surer_of_the_mean_image_and_of_noise_than_of_many_a_digit(critic, digits):
    """Why there is a critic: the largest probability of ten classes does not say that it is any of them."""
    torch.manual_seed(0)
    plain = Classifier((784, 500, 250, 10))
    options = {"loss": cross_entropy, "supervised": True, "corrupt": shifting(1), "batch_size": 100}
    Trainer(plain, **options).fit((digits.train_images, digits.train_labels), n_epochs=3)

    def sureness(images: Tensor) -> Tensor:
        return predict_logits(plain, images).softmax(dim=1).amax(dim=1)

    threshold = sureness(digits.test_images).quantile(0.05)  # at which it, too, accepts 95 % of the digits
    mean, noise = (UNSEEN[kind][0](digits) for kind in ("mean image", "uniform noise"))
    assert (sureness(mean) > threshold).all()
    assert share(sureness(noise) > threshold) > 0.3
    assert not critic.accepts(mean).any()
    assert not critic.accepts(noise).any()


# ------------------------------------------------------------------------------------------------------------ by hand


def by_hand(threshold: float) -> Critic:
    """A critic of two classes whose logits are the image's three numbers."""
    classifier = Classifier((3, 3))
    with torch.no_grad():
        classifier.head.weight.copy_(torch.eye(3))
    return Critic(classifier, threshold)


def test_the_probability_of_any_class_is_what_the_last_one_leaves():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 5.0], [3.0, -1.0, 3.0]])
    expected = logits.exp()[:, :2].sum(dim=1) / logits.exp().sum(dim=1)
    torch.testing.assert_close(by_hand(0).probability(logits), expected)
    assert by_hand(0).n_classes == 2
    assert by_hand(0).classes(logits).tolist() == [0, 1, 0]  # also where "none of them" is the likelier
    assert by_hand(0.5).accepts(logits).tolist() == [True, False, True]
    assert by_hand(expected[0].item() + 1e-4).accepts(logits).tolist() == [False] * 3
    assert by_hand(0).accepts(logits).all()


# ---------------------------------------------------------------------------------------------------------------- fit


def held_out(n: int) -> Tensor:
    """Which of n images seed 0 does not train on: the last fifth, in the order that it draws."""
    return torch.randperm(n, generator=generator(0))[n * 4 // 5 :]


def quick(digits: ImageData, n: int = 100, **options: object) -> Critic:
    return fit_critic(digits.train_images[:n], digits.train_labels[:n], n_epochs=2, **options)


@pytest.mark.parametrize("share_accepted", [0.5, 0.8, 0.95])
def test_the_threshold_accepts_that_share_of_the_fifth_that_was_held_out(digits, share_accepted):
    critic = quick(digits, 500, share_accepted=share_accepted)
    images = digits.train_images[held_out(500)]
    assert share(critic.accepts(images)) == pytest.approx(share_accepted, abs=0.011)
    assert 0 < critic.threshold < 1


def test_what_was_held_out_was_not_trained_on(digits):
    images, labels = digits.train_images[:100], digits.train_labels[:100].clone()
    first = fit_critic(images, labels, n_epochs=1)
    labels[held_out(100)] = 0
    second = fit_critic(images, labels, n_epochs=1)
    assert torch.equal(first.probability(images), second.probability(images))


def test_the_seed_alone_fixes_the_critic(digits):
    critics = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(global_seed)
        critics.append(quick(digits, seed=seed))
    probabilities = [critic.probability(digits.test_images) for critic in critics]
    assert torch.equal(probabilities[0], probabilities[1])
    assert critics[0].threshold == critics[1].threshold
    assert not torch.equal(probabilities[0], probabilities[2])


@pytest.mark.parametrize("n_images", [0, 19])
def test_too_few_images_are_refused(digits, n_images):
    with pytest.raises(ValueError, match=rf"\b{n_images} images.* 20 "):
        quick(digits, n_images)


@pytest.mark.parametrize("share_accepted", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_of_none_or_all_is_refused(digits, share_accepted):
    with pytest.raises(ValueError, match=f"share_accepted is {share_accepted};"):
        quick(digits, share_accepted=share_accepted)


# ------------------------------------------------------------------------------------------------------- non-examples


@pytest.mark.parametrize("kind", NON_EXAMPLES)
def test_non_examples_are_as_many_images_within_black_and_white_the_same_for_a_seed(kind):
    x = torch.rand(50, 2, 6, 5)
    before = x.clone()
    others = non_examples(x, kind, generator())
    assert others.shape == x.shape
    assert torch.equal(others, non_examples(x, kind, generator()))
    assert not torch.equal(others, non_examples(x, kind, generator(2)))
    others.zero_()
    assert torch.equal(x, before)


def test_sorted_images_are_held_out_from_all_classes(digits):
    order = digits.train_labels.argsort()
    critic = fit_critic(digits.train_images[order], digits.train_labels[order], n_epochs=2)
    assert len(critic.classes(digits.test_images).unique()) == 10


def test_faded_images_keep_their_shape_and_at_most_30_percent_of_their_brightness():
    x = torch.rand(200, 1, 5, 4) + 0.1
    brightness = non_examples(x, "faded", generator()) / x
    assert torch.allclose(brightness, brightness[:, :, :1, :1].expand_as(x))
    assert 0 <= brightness.min() < 0.02
    assert 0.28 < brightness.max() <= 0.3


@pytest.mark.parametrize("kind", [kind for kind in NON_EXAMPLES if kind != "faded"])
def test_non_examples_of_white_images_are_no_whiter(kind):
    for seed in range(5):  # sums of weights are rounded, up or down
        others = non_examples(torch.ones(500, 1, 4, 4), kind, generator(seed))
        assert others.max() <= 1
        assert others.min() > 1 - 1e-5


@pytest.mark.parametrize("k", [2, 3, 6])
def test_a_mean_is_of_k_images_of_which_each_counts(k):
    n = 400
    weights = non_examples(torch.eye(n).view(n, 1, 20, 20), f"mean of {k}", generator()).flatten(1)  # by image
    assert weights.sum(dim=1).tolist() == pytest.approx([1] * n, abs=1e-5)
    of_k = weights[(weights > 0).sum(dim=1) == k]
    assert len(of_k) > 0.9 * n  # an image may be drawn twice
    assert of_k[of_k > 0].min() >= 0.2 / (0.2 + 1.2 * (k - 1)) - 1e-6
    assert of_k[of_k > 0].std() > 0.05


def test_halves_are_of_two_images_one_half_the_upper_and_one_half_the_left():
    n = 100
    x = torch.arange(float(n)).view(n, 1, 1, 1).expand(n, 1, 6, 4).contiguous()
    joined = non_examples(x, "halves", generator())
    for i, image in enumerate(joined[:, 0]):
        own, other = (image[:3], image[3:]) if i < n // 2 else (image[:, :2], image[:, 2:])
        assert (own == i).all()
        assert len(other.unique()) == 1
    others = torch.where(torch.arange(n) < n // 2, joined[:, 0, 5, 0], joined[:, 0, 0, 3])
    assert torch.equal(others.sort().values, torch.arange(float(n)))  # each image lends itself once
    assert (others == torch.arange(n)).sum() < 5


def test_a_critic_is_the_same_whatever_torchs_default_type_is_and_leaves_the_random_numbers_alone(float64_by_default):
    x = torch.rand(40, 1, 6, 6, dtype=torch.float32, generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    in_float64 = fit_critic(x, torch.arange(40) % 2, n_classes=2, n_epochs=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.set_default_dtype(torch.float32)
    again = fit_critic(x, torch.arange(40) % 2, n_classes=2, n_epochs=1)
    assert torch.equal(in_float64.probability(x), again.probability(x))


# ------------------------------------------------------------------------------------------------------- soft digits


@pytest.mark.parametrize("sd", [0.5, 0.9, 1.2])
def test_a_blur_is_scipys(digits, sd):
    x = digits.test_images[:20]
    of_scipy = ndimage.gaussian_filter(x.numpy(), (0, 0, sd, sd), mode="constant", radius=5)
    np.testing.assert_allclose(softened(x, sd=sd).numpy(), of_scipy.clip(0, 1), atol=1e-5)


def test_each_image_is_softened_by_its_own_amounts(digits):
    x, sds, factors = digits.test_images[:3], torch.tensor([0.0, 0.5, 1.2]), torch.tensor([1.0, 0.6, 1.3])
    together = softened(x, sd=sds, brightness=factors)
    alone = [softened(x[i : i + 1], sd=sds[i].item(), brightness=factors[i].item()) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))
    torch.testing.assert_close(together[0], x[0])
    assert together.max() <= 1


def test_colours_are_blurred_one_by_one():
    x = torch.zeros(1, 3, 9, 9)
    x[0, 1, 4, 4] = 1
    blurred = softened(x, sd=1.0)
    assert blurred[0, [0, 2]].abs().max() == 0
    assert blurred[0, 1].sum().item() == pytest.approx(1, abs=0.01)


def test_softening_is_drawn_by_the_generator_and_keeps_shape_and_range(digits):
    x = digits.test_images[:50]
    first, again, other = (softening(x, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == x.shape
    assert first.min() >= 0
    assert first.max() <= 1


@pytest.mark.long
def test_a_critic_that_has_seen_soft_digits_accepts_them_and_still_rejects_means(critic, digits):
    """The other critic misses the first bound: it takes most soft digits for none."""
    blind = fit_contrast_blind_critic(digits.train_images, digits.train_labels, n_epochs=4)
    dimmed = softened(digits.test_images, brightness=0.6)
    assert share(critic.accepts(dimmed)) < 0.5 < 0.75 < share(blind.accepts(dimmed))
    assert share(blind.accepts(non_examples(digits.test_images, "mean of 6", generator()))) < 0.05
