import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio
from torch import nn
from torch.distributions import Normal

from course_utils.layers import TiedLinear
from course_utils.metrics import (
    Estimate,
    Precision,
    bce_nats_per_image,
    bce_of_each_image,
    checkerboard_percent,
    count_parameters,
    cross_entropy,
    derivatives_by_pixel,
    effective_classes,
    error_percent,
    grey_ink_percent,
    kl_nats_per_image,
    nats_per_word,
    nearest_sse,
    negative_elbo,
    paired_difference,
    penalised_sse,
    precision_at_k,
    principal_angles_deg,
    psnr_db,
    psnr_of_each_image,
    sse_of_each_image,
    sse_per_image,
)

ERRORS = [sse_per_image, sse_of_each_image, bce_nats_per_image, bce_of_each_image, nats_per_word, psnr_db,
          psnr_of_each_image, kl_nats_per_image]  # fmt: skip
LOSSES = [sse_per_image, bce_nats_per_image, nats_per_word, kl_nats_per_image]
quickly = settings(deadline=None, derandomize=True, database=None, max_examples=40)
SHAPES = [(5, 7), (2, 1, 28, 28), (3, 3, 4, 5), (1, 1)]


def pair(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Two different tensors with numbers strictly between 0 and 1."""
    return (0.05 + 0.9 * torch.rand(2, *shape, dtype=torch.float64)).unbind()


def test_by_hand():
    x_hat, x = torch.tensor([[1.0, 0.5], [0.0, 0.0]]), torch.tensor([[0.0, 0.5], [0.0, 1.0]])
    x_hat = x_hat + torch.tensor([[0.0, 0.0], [0.0, -1.0]])  # squared errors: 1 and 0; 0 and 4
    assert sse_of_each_image(x_hat, x).tolist() == [1.0, 4.0]
    assert sse_per_image(x_hat, x).item() == 2.5
    half = torch.full((3, 4), 0.5)
    assert bce_nats_per_image(half, torch.ones(3, 4)).item() == pytest.approx(4 * math.log(2))
    x_hat, x = torch.tensor([[0.5, 0.5], [0.25, 0.5]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert bce_of_each_image(x_hat, x).tolist() == pytest.approx([2 * math.log(2), math.log(4) + math.log(2)])


@pytest.mark.parametrize("shape", SHAPES)
def test_against_numpy(shape):
    x_hat, x = pair(shape)
    a, b = x_hat.numpy().reshape(shape[0], -1), x.numpy().reshape(shape[0], -1)
    squared, nats = (a - b) ** 2, -(b * np.log(a) + (1 - b) * np.log(1 - a))
    assert sse_of_each_image(x_hat, x).numpy() == pytest.approx(squared.sum(1))
    assert sse_per_image(x_hat, x).item() == pytest.approx(squared.sum(1).mean())
    assert bce_nats_per_image(x_hat, x).item() == pytest.approx(nats.sum(1).mean())


@pytest.mark.parametrize("shape", SHAPES)
def test_sse_per_image_is_the_mean_over_the_images(shape):
    x_hat, x = pair(shape)
    sse = sse_per_image(x_hat, x).item()
    assert sse == pytest.approx(sse_of_each_image(x_hat, x).mean().item())


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    ("shape", "other"), [((4, 9), (1, 9)), ((4, 9), (4, 1)), ((4, 9), (9,)), ((4, 1, 3, 3), (4, 9))]
)
def test_shapes_that_would_broadcast_or_differ_raise_and_are_named(error, shape, other):
    for first, second in ((shape, other), (other, shape)):
        with pytest.raises(ValueError, match="must agree") as refusal:
            error(torch.rand(first), torch.rand(second))
        assert str(first) in str(refusal.value)
        assert str(second) in str(refusal.value)


@pytest.mark.parametrize("error", ERRORS)
def test_an_empty_batch_raises_where_a_mean_would_be_nan(error):
    with pytest.raises(ValueError, match="empty"):
        error(torch.rand(0, 9), torch.rand(0, 9))


def test_a_perfect_reconstruction_has_no_squared_error():
    _, x = pair((5, 7))
    assert sse_per_image(x, x).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_perfectly_restored_image_counts_100_decibels_in_any_type(dtype):
    x = torch.rand(3, 7).to(dtype)
    assert psnr_db(x, x) == pytest.approx(100)


@pytest.mark.parametrize("value", [-0.01, 1 + 1e-6, math.nan, math.inf])
def test_what_is_not_a_probability_is_refused_with_its_value(value):
    x_hat, x = torch.rand(3, 7), torch.rand(3, 7)
    x_hat[1, 2] = value
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        bce_nats_per_image(x_hat, x)


@pytest.mark.parametrize("loss", [negative_elbo(2.0), penalised_sse(0.5)])
def test_a_loss_can_be_pickled_and_keeps_its_name(loss):
    again = pickle.loads(pickle.dumps(loss))
    x, z = torch.rand(3, 7), torch.rand(3, 2)
    output = (torch.rand(3, 7), z, z) if "elbo" in loss.__name__ else (torch.rand(3, 7), z)
    assert again.__name__ == loss.__name__
    assert torch.equal(again(output, x), loss(output, x))


def test_cross_entropy_of_a_perfect_reconstruction_is_0_for_black_and_white_only(digits):
    black_and_white = torch.tensor([[0.0, 1.0, 1.0]])
    assert bce_nats_per_image(black_and_white, black_and_white).item() == 0
    grey = torch.full((2, 784), 0.5)
    assert bce_nats_per_image(grey, grey).item() == pytest.approx(784 * math.log(2))
    assert 40 < bce_nats_per_image(digits.test_images, digits.test_images).item() < 50  # 45.53 on MNIST's test set


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_a_scalar_with_the_right_gradient(loss):
    x_hat, x = pair((3, 4))
    x_hat.requires_grad_()
    assert loss(x_hat, x).shape == ()
    assert torch.autograd.gradcheck(lambda x_hat: loss(x_hat, x), (x_hat,))


# -------------------------------------------------------------------------------------------------- noise in decibels


@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_is_scikit_images_of_each_image_and_their_mean(shape):
    x_hat, x = pair(shape)
    each = [peak_signal_noise_ratio(b, a, data_range=1) for a, b in zip(x_hat.numpy(), x.numpy(), strict=True)]
    assert psnr_of_each_image(x_hat, x).tolist() == pytest.approx(each)
    assert psnr_db(x_hat, x) == pytest.approx(np.mean(each))
    assert psnr_db(x_hat.float(), x.float()) == pytest.approx(np.mean(each), rel=1e-5)


def test_psnr_is_a_mean_of_decibels_and_not_the_decibels_of_a_mean():
    x = torch.zeros(2, 1, 4, 4)
    x_hat = x + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)  # 20 and 40 dB
    assert psnr_db(x_hat, x) == pytest.approx(30, abs=1e-4)


def test_an_exact_image_counts_100_decibels():
    x = torch.rand(2, 1, 4, 4)
    assert psnr_db(x, x) == pytest.approx(100)
    assert psnr_db(torch.stack([x[0], x[1] + 0.1]), x) == pytest.approx(60, abs=1e-4)


# ----------------------------------------------------------------------------------------- variational, penalised


def test_a_code_that_is_the_prior_has_no_divergence_and_every_other_some():
    zero = torch.zeros(3, 4)
    assert kl_nats_per_image(zero, zero).item() == 0
    for _ in range(20):
        assert kl_nats_per_image(torch.randn(3, 4), torch.randn(3, 4)) > 0


@given(
    mean=st.lists(st.floats(-4, 4), min_size=1, max_size=5),
    log_variance=st.lists(st.floats(-6, 3), min_size=5, max_size=5),
)
@quickly
def test_the_divergence_is_that_of_samples(mean, log_variance):
    mean = torch.tensor([mean], dtype=torch.float64)
    log_variance = torch.tensor([log_variance[: mean.shape[1]]], dtype=torch.float64)
    sd = (0.5 * log_variance).exp()
    z = mean + sd * torch.randn(20_000, mean.shape[1], dtype=torch.float64)
    of_each = (Normal(mean, sd).log_prob(z) - Normal(0, 1).log_prob(z)).sum(dim=1)
    standard_error = of_each.std().item() / math.sqrt(len(z))
    assert kl_nats_per_image(mean, log_variance).item() == pytest.approx(
        of_each.mean().item(), abs=5 * standard_error + 1e-9
    )


@pytest.mark.parametrize(("n", "n_codes"), [(1, 1), (7, 1), (1, 20), (7, 20)])
def test_a_divergence_is_summed_over_the_code_and_averaged_over_the_images(n, n_codes):
    ones = torch.ones(n, n_codes)
    assert kl_nats_per_image(ones, 0 * ones).item() == pytest.approx(n_codes / 2)
    assert kl_nats_per_image(0 * ones, ones).item() == pytest.approx(n_codes * (math.e - 2) / 2, rel=1e-5)


@pytest.mark.parametrize("kl_weight", [0, 0.5, 1, 20])
@pytest.mark.parametrize(("n", "n_codes"), [(1, 3), (6, 2)])
def test_the_elbos_terms_are_the_cross_entropy_and_the_divergence_both_in_nats_per_image(kl_weight, n, n_codes):
    x_hat, x = pair((n, 1, 4, 5))
    mean, log_variance = torch.randn(2, n, n_codes, dtype=torch.float64).unbind()
    bce, kl = bce_nats_per_image(x_hat, x).item(), kl_nats_per_image(mean, log_variance).item()
    loss = negative_elbo(kl_weight)
    assert loss((x_hat, mean, log_variance), x).item() == pytest.approx(bce + kl_weight * kl)
    zero = torch.zeros_like(mean)
    assert loss((x_hat, zero, zero), x).item() == pytest.approx(bce)
    assert loss.__name__ == f"negative_elbo({kl_weight})"


def test_the_elbo_counts_a_nat_once_however_many_pixels_codes_and_images_there_are():
    """A mean where a sum belongs weighs one term of the two wrong, and trains all the same."""
    for n, n_pixels, n_codes in ((1, 1, 1), (5, 30, 4)):
        grey, x = torch.full((n, n_pixels), 0.5), torch.ones(n, n_pixels)
        mean = torch.ones(n, n_codes)
        expected = n_pixels * math.log(2) + n_codes / 2
        assert negative_elbo()((grey, mean, 0 * mean), x).item() == pytest.approx(expected)


@pytest.mark.parametrize("weight", [0, 0.1, 3])
def test_a_penalty_is_on_the_squared_length_of_the_code(weight):
    x_hat, x = pair((6, 1, 4, 5))
    z = torch.randn(6, 3, dtype=torch.float64)
    expected = sse_per_image(x_hat, x).item() + weight * (z.norm(dim=1) ** 2).mean().item()
    loss = penalised_sse(weight)
    assert loss((x_hat, z), x).item() == pytest.approx(expected)
    assert loss.__name__ == f"penalised_sse({weight})"


@pytest.mark.parametrize(("make", "name"), [(negative_elbo, "kl_weight"), (penalised_sse, "weight")])
@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_a_weight_that_cannot_be_is_refused(make, name, weight):
    with pytest.raises(ValueError, match=f"^{name} is {weight}; the weight of a term of the loss"):
        make(weight)


# ----------------------------------------------------------------------------------------------------------- samples


@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=12).filter(any))
@quickly
def test_effective_classes_are_e_to_the_entropy(counts):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    shares = np.array([count for count in counts if count]) / sum(counts)
    effective = effective_classes(labels, n_classes=len(counts))
    assert effective == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert 1 - 1e-9 <= effective <= len(counts) + 1e-9


@pytest.mark.parametrize("n", [1, 2, 10])
def test_classes_that_are_equally_frequent_all_count_and_a_class_alone_counts_1(n):
    assert effective_classes(torch.arange(n).repeat(5), n_classes=n) == pytest.approx(n)
    assert effective_classes(torch.arange(n).repeat(5), n_classes=50) == pytest.approx(n)  # the others have none
    assert effective_classes(torch.full((7,), n - 1), n_classes=n) == pytest.approx(1)


@pytest.mark.parametrize(("labels", "complaint"), [([], "no label"), ([0, 3], "0 to 3; the classes are 0 to 2"),
                                                   ([-1, 2], "-1 to 2; the classes are 0 to 2")])  # fmt: skip
def test_labels_that_are_no_classes_cannot_be_counted(labels, complaint):
    with pytest.raises(ValueError, match=complaint):
        effective_classes(torch.tensor(labels, dtype=torch.int64), n_classes=3)


def test_grey_ink_is_what_is_neither_black_nor_white_of_what_is_not_black(digits):
    images = torch.tensor([[0.0, 0.05, 0.2, 0.5, 0.85, 0.95, 1.0, 1.0]]).view(2, 1, 2, 2)
    assert grey_ink_percent(images) == pytest.approx(50)
    assert grey_ink_percent(images.round()) == 0
    assert grey_ink_percent(torch.zeros(2, 1, 2, 2)) == 0
    x = digits.test_images
    assert grey_ink_percent(nn.functional.avg_pool2d(x, 3, stride=1, padding=1)) > grey_ink_percent(x) + 20


@pytest.mark.parametrize("shape", [(3,), (1, 2, 2), (784,)])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 40), (1_100, 30)])
def test_the_nearest_image_is_the_one_by_brute_force(shape, n, m):
    images, others = torch.rand(n, *shape), torch.rand(m, *shape)
    nearest = [((others - image) ** 2).flatten(1).sum(dim=1).min().item() for image in images]
    assert nearest_sse(images, others).numpy() == pytest.approx(np.array(nearest), rel=1e-3, abs=1e-4)


def test_a_copy_is_at_no_distance(digits):
    x = digits.test_images[:100]
    assert nearest_sse(x[:10], x).max() < 1e-3
    assert nearest_sse(x[:10], x[10:]).min() > 5


@pytest.mark.parametrize(("shape", "other"), [((4, 1, 3, 3), (4, 9)), ((4, 9), (4, 1)), ((4, 9), (0, 9))])
def test_images_that_cannot_be_compared_are_refused_with_both_shapes(shape, other):
    with pytest.raises(ValueError, match="cannot be compared") as refusal:
        nearest_sse(torch.rand(shape), torch.rand(other))
    assert str(shape) in str(refusal.value)
    assert str(other) in str(refusal.value)


# ------------------------------------------------------------------------------------------------ words of a document


def test_word_nats_by_hand():
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], dtype=torch.float64)
    counts = torch.tensor([[3, 1, 0], [0, 0, 5]], dtype=torch.float64)
    by_hand = ((0.75 * math.log(2) + 0.25 * math.log(4)) - math.log(0.8)) / 2
    assert nats_per_word(probabilities.log(), counts).item() == pytest.approx(by_hand)


def test_a_uniform_guess_has_the_logarithm_of_the_vocabulary_in_nats():
    for n_words in (2, 50, 2_000):
        guess = torch.full((3, n_words), -math.log(n_words))
        assert nats_per_word(guess, torch.rand(3, n_words)).item() == pytest.approx(math.log(n_words))


def test_a_document_counts_the_same_however_long_it_is_and_0_where_it_is_empty():
    log_probabilities, counts = torch.log_softmax(torch.randn(4, 6), dim=1), torch.rand(4, 6)
    nats = nats_per_word(log_probabilities, counts).item()
    lengths = torch.tensor([[0.001], [1.0], [50.0], [1e6]])
    assert nats_per_word(log_probabilities, lengths * counts).item() == pytest.approx(nats, rel=1e-5)
    counts[3] = 0
    expected = 3 / 4 * nats_per_word(log_probabilities[:3], counts[:3]).item()
    assert nats_per_word(log_probabilities, counts).item() == pytest.approx(expected, rel=1e-5)
    assert nats_per_word(log_probabilities, torch.zeros(4, 6)).item() == 0


def test_nobody_guesses_better_than_by_the_documents_own_frequencies():
    counts = torch.rand(5, 8)
    best = nats_per_word((counts / counts.sum(dim=1, keepdim=True)).log(), counts)
    for _ in range(20):
        assert nats_per_word(torch.log_softmax(torch.randn(5, 8), dim=1), counts) > best


def test_counts_may_be_whole_numbers():
    guess, counts = torch.log_softmax(torch.randn(2, 3), dim=1), torch.tensor([[3, 1, 0], [0, 0, 5]])
    assert nats_per_word(guess, counts).item() == pytest.approx(nats_per_word(guess, 1.0 * counts).item())


# ----------------------------------------------------------------------------------------------------------- classes

LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, math.log(2)], [-1.0, 5.0, 5.5], [3.0, 0.0, 1.0]])


def test_cross_entropy_by_hand():
    e = math.e
    nats = [-math.log(e**2 / (e**2 + e + 1)), math.log(4), -math.log(e**5 / (e**-1 + e**5 + e**5.5))]
    assert cross_entropy(LOGITS[:3], torch.tensor([0, 1, 1])).item() == pytest.approx(sum(nats) / 3)
    assert cross_entropy(LOGITS[1:2], torch.tensor([2])).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("n_classes", [1, 2, 10])
def test_a_classifier_that_knows_nothing_has_the_logarithm_of_the_classes_in_nats(n_classes):
    labels = torch.arange(n_classes)
    for level in (0.0, -3.0, 1e4):
        assert cross_entropy(torch.full((n_classes, n_classes), level), labels).item() == pytest.approx(
            math.log(n_classes)
        )


def test_cross_entropy_of_logits_far_out_is_finite():
    sure = 1e4 * torch.eye(3)
    assert cross_entropy(sure, torch.tensor([0, 1, 2])).item() == 0
    assert cross_entropy(sure, torch.tensor([1, 2, 0])).item() == 1e4


def test_the_gradient_of_the_cross_entropy_is_what_the_softmax_has_too_much_of():
    logits, labels = torch.randn(5, 3, dtype=torch.float64, requires_grad=True), torch.tensor([0, 2, 1, 1, 0])
    loss = cross_entropy(logits, labels)
    assert loss.shape == ()
    loss.backward()
    torch.testing.assert_close(logits.grad, (torch.softmax(logits, dim=1) - torch.eye(3).double()[labels]).detach() / 5)
    assert torch.autograd.gradcheck(lambda logits: cross_entropy(logits, labels), (logits,))


@pytest.mark.parametrize(
    ("labels", "percent"), [([0, 2, 2, 0], 0), ([1, 2, 2, 0], 25), ([1, 0, 2, 0], 50), ([1, 0, 0, 0], 75),
                            ([2, 1, 1, 1], 100)],
)  # fmt: skip
def test_percent_of_errors_by_hand(labels, percent):
    error = error_percent(LOGITS, torch.tensor(labels))
    assert isinstance(error, float)
    assert error == percent


def test_percents_of_errors_are_exact_for_a_large_set():
    logits = torch.tensor([[1.0, 0.0]]).expand(60_000, 2)
    assert error_percent(logits, (torch.arange(60_000) < 1_234).long()) == pytest.approx(100 * 1_234 / 60_000, abs=1e-9)


every_class_metric = pytest.mark.parametrize("metric", [cross_entropy, error_percent])


@every_class_metric
@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ([0, 1, 2, 3], "labels go from 0 to 3; the classes are 0 to 2. Check n_classes"),
        ([0, 1, 2, -1], "labels go from -1 to 2; the classes are 0 to 2"),
        ([0, 1, 2, -100], "labels go from -100 to 2"),  # which torch leaves out without a word
        ([0.0, 1.0, 2.0, 0.0], r"torch\.int64; they are torch\.float32"),
        ([0, 1, 2], r"labels \(n,\), not \(4, 3\) and \(3,\)"),
        ([[0], [1], [2], [0]], r"not \(4, 3\) and \(4, 1\)"),
        ([[0, 0, 1]] * 4, r"not \(4, 3\) and \(4, 3\)"),
    ],
)
def test_labels_that_do_not_fit_the_classes_are_refused(metric, labels, complaint):
    with pytest.raises(ValueError, match=complaint):
        metric(LOGITS, torch.tensor(labels))


@every_class_metric
@pytest.mark.parametrize("shape", [(4,), (4, 3, 1), ()])
def test_what_is_no_row_of_logits_a_sample_is_refused(metric, shape):
    with pytest.raises(ValueError, match=r"logits must be \(n, n_classes\)"):
        metric(torch.rand(shape), torch.zeros(4).long())


@every_class_metric
def test_classes_of_an_empty_batch_are_refused(metric):
    with pytest.raises(ValueError, match="nothing to compare"):
        metric(torch.rand(0, 3), torch.zeros(0).long())


@every_class_metric
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool, torch.float32])
def test_labels_of_another_type_are_refused_with_the_cure(metric, dtype):
    with pytest.raises(ValueError, match=rf"{dtype} \(labels\.long\(\)\)"):
        metric(LOGITS, torch.tensor([0, 1, 1, 0]).to(dtype))


# -------------------------------------------------------------------------------------------------- principal angles


def test_the_same_subspace_with_other_axes_has_angles_of_0():
    basis = torch.randn(20, 4, dtype=torch.float64)
    other_axes = basis @ torch.randn(4, 4, dtype=torch.float64)
    assert principal_angles_deg(basis, other_axes) == pytest.approx(np.zeros(4), abs=1e-6)


def test_orthogonal_subspaces_have_angles_of_90():
    axes = torch.eye(6)
    assert principal_angles_deg(axes[:, :2], axes[:, 2:5]) == pytest.approx([90, 90])


@pytest.mark.parametrize("degrees", [0.001, 20.0, 45.0, 89.0])
def test_two_lines_in_the_plane(degrees):
    a, b = np.array([[2.0], [0.0]]), 3 * np.array([[np.cos(np.radians(degrees))], [np.sin(np.radians(degrees))]])
    assert principal_angles_deg(a, b) == pytest.approx([degrees])
    assert principal_angles_deg(a, -b) == pytest.approx([degrees])


def test_planes_that_share_a_line_and_the_largest_angle_first():
    shared, first, second = np.eye(3)[:, 2], np.array([1.0, 0, 0]), np.array([np.sqrt(3) / 2, 0.5, 0])
    angles = principal_angles_deg(np.stack([shared, first], axis=1), np.stack([shared, second], axis=1))
    assert angles == pytest.approx([30, 0], abs=1e-6)


def test_angles_take_a_weight_that_is_being_trained():
    weight = nn.Linear(5, 2, bias=False).weight
    assert principal_angles_deg(weight.T, weight.T) == pytest.approx([0, 0], abs=1e-3)


@pytest.mark.parametrize("shape", [(5,), (6, 2), (2, 5)])
def test_angles_between_spaces_of_different_dimension_raise(shape):
    with pytest.raises(ValueError, match="same n_features"):
        principal_angles_deg(torch.rand(5, 2), torch.rand(shape))


# -------------------------------------------------------------------------------------------------------- parameters


def test_parameters_count_biases_and_not_what_is_frozen():
    model = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 2))
    assert count_parameters(model) == 5 * 3 + 3 + 3 * 2 + 2
    model[0].weight.requires_grad_(False)
    assert count_parameters(model) == 3 + 3 * 2 + 2


def test_a_shared_weight_counts_once():
    linear = nn.Linear(5, 3)
    assert count_parameters(nn.Sequential(linear, TiedLinear(linear))) == 5 * 3 + 3 + 5


# --------------------------------------------------------------------------------------------------------- precision

FOUND = torch.tensor([[1, 1, 0, 2], [2, 0, 0, 0], [0, 0, 0, 0], [3, 1, 3, 3]])
WANTED = torch.tensor([1, 0, 0, 1])


@pytest.mark.parametrize(
    ("k", "of_each_query"),
    [(1, [1, 0, 1, 0]), (2, [1, 0.5, 1, 0.5]), (3, [2 / 3, 2 / 3, 1, 1 / 3]), (4, [0.5, 0.75, 1, 0.25])],
)
def test_precision_by_hand(k, of_each_query):
    precision = precision_at_k(FOUND, WANTED, k=k)
    assert precision.of_each_query == pytest.approx(of_each_query)
    assert precision.value == pytest.approx(sum(of_each_query) / 4)
    assert precision.k == k
    assert 0 <= precision.low <= precision.value <= precision.high <= 1
    assert precision.low < precision.high


@pytest.mark.parametrize(("found", "value"), [([[1, 1], [0, 0], [1, 1]], 1), ([[0, 0], [1, 1], [0, 0]], 0)])
def test_queries_that_are_all_alike_leave_no_doubt(found, value):
    precision = precision_at_k(torch.tensor(found), torch.tensor([1, 0, 1]), k=2)
    assert (precision.low, precision.value, precision.high) == (value, value, value)


def test_a_single_query_has_an_interval_of_a_point():
    precision = precision_at_k(torch.tensor([[1, 0, 1, 0]]), torch.tensor([1]), k=4)
    assert str(precision) == "0.500 [0.500, 0.500]"


def test_an_estimate_says_its_interval():
    assert str(Estimate(0.12345, -0.5, 1)) == "0.123 [-0.500, 1.000]"


@pytest.mark.parametrize(
    ("found", "wanted", "k", "complaint"),
    [
        (FOUND, WANTED, 5, "k is 5, with 4 results a query"),
        (FOUND, WANTED, 0, "k is 0"),
        (FOUND, WANTED[:3], 1, r"found_labels is \(4, 4\) for \(3,\) query_labels"),
        (FOUND, WANTED[:, None], 1, r"found_labels is \(4, 4\) for \(4, 1\) query_labels"),
        (FOUND[0], WANTED, 1, r"found_labels is \(4,\) for \(4,\) query_labels"),
        (FOUND[:0], WANTED[:0], 1, "no query"),
    ],
)
def test_precision_of_what_does_not_fit_is_refused(found, wanted, k, complaint):
    with pytest.raises(ValueError, match=complaint):
        precision_at_k(found, wanted, k=k)


def hits(probabilities: np.ndarray, seed: int, k: int = 10) -> Precision:
    """Precision where each result of a query is right with the query's own probability."""
    right = np.random.default_rng(seed).random((len(probabilities), k)) < probabilities[:, None]
    return precision_at_k(torch.from_numpy(right.astype(np.int64)), torch.ones(len(probabilities)).long(), k=k)


def difficulties(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).beta(1, 1, size=n)


def test_the_interval_is_as_wide_as_the_queries_differ():
    precision = hits(difficulties(400), seed=1)
    standard_error = precision.of_each_query.std() / math.sqrt(400)
    assert precision.high - precision.value == pytest.approx(1.96 * standard_error, rel=0.1)
    assert precision.value - precision.low == pytest.approx(1.96 * standard_error, rel=0.1)


def test_the_interval_is_the_same_for_a_seed_and_does_not_depend_on_global_random_numbers():
    found, wanted = FOUND.repeat(10, 1), WANTED.repeat(10)
    np.random.seed(1)  # noqa: NPY002
    first = precision_at_k(found, wanted, k=3, seed=5)
    np.random.seed(2)  # noqa: NPY002
    assert str(precision_at_k(found, wanted, k=3, seed=5)) == str(first)
    intervals = {precision_at_k(found, wanted, k=3, seed=seed).low for seed in range(5)}
    assert len(intervals) > 1


def test_of_results_that_tie_at_the_last_place_each_counts_in_part():
    """What is expected of the precision where ties are put in a random order."""
    found, wanted = torch.tensor([[1, 0, 1, 1, 0, 1]]), torch.tensor([1])
    scores = torch.tensor([[9.0, 5.0, 5.0, 5.0, 5.0, 1.0]])
    assert precision_at_k(found, wanted, k=1, scores=scores).value == 1
    assert precision_at_k(found, wanted, k=2, scores=scores).value == pytest.approx((1 + 2 / 4) / 2)
    assert precision_at_k(found, wanted, k=4, scores=scores).value == pytest.approx((1 + 3 * 2 / 4) / 4)
    assert precision_at_k(found, wanted, k=5, scores=scores).value == pytest.approx(3 / 5)
    assert precision_at_k(found, wanted, k=4, scores=torch.arange(6.0)[None]).value == pytest.approx(3 / 4)
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        precision_at_k(found, wanted, k=2, scores=scores[:, :3])


def test_19_of_20_intervals_hold_the_true_precision():
    n_right = 0
    for seed in range(150):
        precision = hits(difficulties(80, seed), seed=1_000 + seed)
        n_right += precision.low <= 0.5 <= precision.high
    assert 0.9 <= n_right / 150 <= 0.985


def of_queries(*values: float, k: int = 10) -> Precision:
    return Precision(float(np.mean(values)), 0.0, 1.0, k, np.array(values))


def test_a_paired_difference_by_hand():
    difference = paired_difference(of_queries(0.5, 1, 0.25, 0.75, k=4), of_queries(0.25, 1, 0.5, 0.25, k=4))
    assert difference.value == pytest.approx((0.25 + 0 - 0.25 + 0.5) / 4)
    assert -0.25 <= difference.low < difference.value < difference.high <= 0.5
    turned = paired_difference(of_queries(0.25, 1, 0.5, 0.25, k=4), of_queries(0.5, 1, 0.25, 0.75, k=4))
    assert turned.value == pytest.approx(-difference.value)
    same = paired_difference(of_queries(0.5, 1), of_queries(0.5, 1))
    assert (same.low, same.value, same.high) == (0, 0, 0)
    better = paired_difference(of_queries(0.75, 1, 0.5, k=4), of_queries(0.5, 0.75, 0.25, k=4))
    assert (better.low, better.value, better.high) == (0.25, 0.25, 0.25)


def test_pairing_tells_apart_what_intervals_of_their_own_do_not():
    how_hard = np.repeat([0.05, 0.95], 100)
    a, b = hits(how_hard + 0.04, seed=1), hits(how_hard - 0.04, seed=2)
    assert b.high > a.low
    paired = paired_difference(a, b)
    assert paired.low > 0
    shuffled = Precision(b.value, b.low, b.high, b.k, np.random.default_rng(0).permutation(b.of_each_query))
    unpaired = paired_difference(a, shuffled)
    assert unpaired.value == pytest.approx(paired.value)
    assert paired.high - paired.low < 0.3 * (unpaired.high - unpaired.low)
    assert unpaired.low < 0


@pytest.mark.parametrize(
    ("a", "b", "complaint"),
    [
        (of_queries(0.5, 1), of_queries(0.5, 1, 0), "on 2 and 3 queries, at 10 and 10"),
        (of_queries(0.5, 1), of_queries(0.5, 1, k=5), "on 2 and 2 queries, at 10 and 5"),
    ],
)
def test_precisions_that_do_not_belong_together_are_not_paired(a, b, complaint):
    with pytest.raises(ValueError, match=f"Only precisions on the same queries .*{complaint}"):
        paired_difference(a, b)


# --------------------------------------------------------------------------------------- checkerboards, derivatives


def test_a_checkerboard_is_all_of_an_image_s_variance_and_a_slope_hardly_any():
    rows, columns = torch.arange(8.0)[:, None], torch.arange(8.0)
    board = ((rows + columns) % 2).expand(3, 1, 8, 8)
    assert checkerboard_percent(board) == pytest.approx(100)
    assert checkerboard_percent((rows % 2).expand(8, 8).expand(2, 1, 8, 8)) == pytest.approx(100)  # stripes, too
    assert checkerboard_percent(torch.ones(1, 2, 8, 8)) == 0
    halves = (columns >= 4).float().expand(8, 8).expand(1, 1, 8, 8)
    assert checkerboard_percent(halves) == pytest.approx(0)


def test_the_checkerboard_s_share_is_that_of_the_variance_between_the_four_phases():
    images = torch.rand(4, 3, 6, 10, dtype=torch.float64)
    phases = torch.stack([images[..., i::2, j::2].mean(dim=(2, 3)) for i in (0, 1) for j in (0, 1)])
    expected = phases.var(dim=0, correction=0) / images.flatten(2).var(dim=2, correction=0)
    assert checkerboard_percent(images) == pytest.approx(100 * expected.mean().item())


def test_an_odd_last_row_and_column_are_left_out_of_the_checkerboard():
    images = torch.rand(2, 1, 7, 9)
    assert checkerboard_percent(images) == checkerboard_percent(images[..., :6, :8])


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 1, 1, 8), (2, 1, 8, 1)])
def test_what_has_no_four_phases_is_refused(shape):
    with pytest.raises(ValueError, match=r"images must be \(n, c, h, w\) with h and w of at least 2"):
        checkerboard_percent(torch.rand(shape))


def test_derivatives_of_a_linear_model_are_its_weights():
    model = torch.nn.Linear(12, 12)
    pixels = torch.tensor([3, 7])
    found = derivatives_by_pixel(model, torch.rand(5, 1, 3, 4), pixels)
    assert found.shape == (5, 2, 12)
    torch.testing.assert_close(found, model.weight[pixels].expand(5, -1, -1))


def test_derivatives_are_taken_at_each_image():
    found = derivatives_by_pixel(torch.sin, torch.tensor([[0.0, 1.0]]), torch.tensor([1, 0]))
    torch.testing.assert_close(found, torch.tensor([[[0.0, np.cos(1.0)], [1.0, 0.0]]], dtype=torch.float32))
