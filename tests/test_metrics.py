import math

import numpy as np
import pytest
import torch
from torch import nn

from course_utils.layers import TiedLinear
from course_utils.metrics import (
    bce_nats_per_image,
    count_parameters,
    mse_per_pixel,
    principal_angles_deg,
    sse_of_each_image,
    sse_per_image,
)

ERRORS = [sse_per_image, sse_of_each_image, mse_per_pixel, bce_nats_per_image]
LOSSES = [sse_per_image, mse_per_pixel, bce_nats_per_image]
SHAPES = [(5, 7), (2, 1, 28, 28), (3, 3, 4, 5), (1, 1)]


def pair(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Two different tensors with numbers strictly between 0 and 1."""
    return (0.05 + 0.9 * torch.rand(2, *shape, dtype=torch.float64)).unbind()


def test_by_hand():
    x_hat, x = torch.tensor([[1.0, 0.5], [0.0, 0.0]]), torch.tensor([[0.0, 0.5], [0.0, 1.0]])
    x_hat = x_hat + torch.tensor([[0.0, 0.0], [0.0, -1.0]])  # squared errors: 1 and 0; 0 and 4
    assert sse_of_each_image(x_hat, x).tolist() == [1.0, 4.0]
    assert sse_per_image(x_hat, x).item() == 2.5
    assert mse_per_pixel(x_hat, x).item() == 1.25
    half = torch.full((3, 4), 0.5)
    assert bce_nats_per_image(half, torch.ones(3, 4)).item() == pytest.approx(4 * math.log(2))


@pytest.mark.parametrize("shape", SHAPES)
def test_against_numpy(shape):
    x_hat, x = pair(shape)
    a, b = x_hat.numpy().reshape(shape[0], -1), x.numpy().reshape(shape[0], -1)
    squared, nats = (a - b) ** 2, -(b * np.log(a) + (1 - b) * np.log(1 - a))
    assert sse_of_each_image(x_hat, x).numpy() == pytest.approx(squared.sum(1))
    assert sse_per_image(x_hat, x).item() == pytest.approx(squared.sum(1).mean())
    assert mse_per_pixel(x_hat, x).item() == pytest.approx(squared.mean())
    assert bce_nats_per_image(x_hat, x).item() == pytest.approx(nats.sum(1).mean())


@pytest.mark.parametrize("shape", SHAPES)
def test_sse_per_image_is_mse_per_pixel_times_pixels_and_the_mean_over_the_images(shape):
    x_hat, x = pair(shape)
    sse = sse_per_image(x_hat, x).item()
    assert sse == pytest.approx(mse_per_pixel(x_hat, x).item() * x[0].numel())
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


@pytest.mark.parametrize("error", [sse_per_image, mse_per_pixel])
def test_a_perfect_reconstruction_has_no_squared_error(error):
    _, x = pair((5, 7))
    assert error(x, x).item() == 0


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
