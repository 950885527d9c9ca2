"""What a trained stack and a trained CNN auto-encoder must be good for, by bounds that broken ones miss."""

from functools import cache

import pytest
import torch
from torch import nn

from course_utils.claims.convolution import CHANNELS, conv_net, sse_by_positions
from course_utils.claims.pretraining import ERAS, N_CLASSES, SIZES, identity_percent, train_classifier
from course_utils.claims.shared import test_sse_of_each as sse_of_each
from course_utils.corruption import masking
from course_utils.data import ImageData, labelled_subset, load_images
from course_utils.models import Classifier, ConvAutoencoder
from course_utils.pretraining import GreedyPretrainer

pytestmark = pytest.mark.slow


@cache
def digits() -> ImageData:
    return load_images("mnist-5k")


@cache
def stack(activation: str, *, noisy: bool = False, n_epochs: int = 5) -> GreedyPretrainer:
    options = {"corrupt": masking(0.5)} if noisy else {}
    init = "default" if activation == "sigmoid" else "he"
    pretrainer = GreedyPretrainer(SIZES, activation=activation, init=init, seed=0, batch_size=100, **options)
    pretrainer.fit(digits().train_images, n_epochs=n_epochs)
    return pretrainer


def error(model: nn.Module, era: str, *, n_labels: int = 100) -> float:
    chosen = labelled_subset(digits().train_labels, n_labels, seed=0)
    return train_classifier(model, digits(), chosen, n_steps=300, seed=0, **ERAS[era][1]).mean().item()


@cache
def random_error(era: str) -> float:
    torch.manual_seed(0)
    return error(Classifier((*SIZES, N_CLASSES), **ERAS[era][0]), era)


def saves_seven_points(pretrainer: GreedyPretrainer) -> bool:
    """Of the sigmoid net's error with 100 labels, trained as in 1986; the ledger has ten, the mean of several seeds."""
    return random_error("1986") - error(pretrainer.classifier(N_CLASSES), "1986") >= 7


def test_pretraining_rescues_a_sigmoid_net_and_a_stack_of_0_epochs_does_not():
    assert saves_seven_points(stack("sigmoid"))
    assert not saves_seven_points(stack("sigmoid", n_epochs=0))


def saves_two_points(pretrainer: GreedyPretrainer) -> bool:
    """Of the ReLU net's error with 100 labels, trained as today."""
    return random_error("2015") - error(pretrainer.classifier(N_CLASSES), "2015") >= 2


def test_denoising_stages_help_a_relu_net_with_few_labels_and_a_stack_of_0_epochs_does_not():
    assert saves_two_points(stack("relu", noisy=True))
    assert not saves_two_points(stack("relu", noisy=True, n_epochs=0))


def test_the_frozen_stack_is_a_better_input_for_a_head_than_random_layers():
    errors = [error(stack("relu", noisy=True, n_epochs=n).classifier(N_CLASSES, frozen=True), "2015") for n in (5, 0)]
    assert errors[0] < errors[1] - 2


def test_a_plain_wide_layer_copies_and_a_denoising_one_copies_less():
    x = digits().test_images[:5]
    plain = GreedyPretrainer(SIZES[:2], seed=0, batch_size=100)
    plain.fit(digits().train_images, n_epochs=5)
    shares = [identity_percent(p.stages[0].autoencoder, x) for p in (plain, stack("relu", noisy=True))]
    assert shares[0] > 30
    assert shares[1] < 0.8 * shares[0]


def test_the_cnn_restores_test_digits_from_30_numbers():
    assert sse_of_each(digits(), conv_net(digits(), 0, "repeat")).mean() < 8.5  # PCA-30 has 14.4, the mean image 53
    untrained = ConvAutoencoder((1, 28, 28), 30, channels=CHANNELS)
    assert sse_of_each(digits(), untrained).mean() > 40


@pytest.fixture(scope="module")
def by_positions() -> dict[str, float]:
    return {name: of_each.mean().item() for name, of_each in sse_by_positions(digits(), 0).items()}


def test_with_its_positions_a_net_restores_nearly_all_and_with_others_less_than_the_mean_image(by_positions):
    assert by_positions["right"] < 4
    assert by_positions["swapped"] > 53
    assert by_positions["shuffled"] > 35


def test_the_positions_alone_restore_more_than_the_code_with_wrong_positions(by_positions):
    assert by_positions["right, average code"] < 0.4 * by_positions["swapped"]
