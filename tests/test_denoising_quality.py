"""What a de-noising and a variational auto-encoder must be good for, by bounds that broken ones miss."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from course_utils.claims.denoising_opponents import convolutional_denoiser, fully_convolutional
from course_utils.corruption import corrupted, gaussian
from course_utils.filters import best_filter
from course_utils.inference import reconstruct
from course_utils.metrics import count_parameters, kl_nats_per_image, negative_elbo, psnr_db
from course_utils.models import DeepAutoencoder, VariationalAutoencoder
from course_utils.training import Trainer

pytestmark = pytest.mark.long

NOISE = gaussian(0.5)


# --------------------------------------------------------------------------------------------------------- de-noising


@pytest.fixture(scope="module")
def filters_psnr(digits) -> float:
    """Of the best classical filter, on digits that it was not tuned on."""
    x = digits.train_images[:200]
    best = best_filter(corrupted(x, NOISE, seed=0), x)
    return psnr_db(best(corrupted(digits.test_images, NOISE, seed=1)), digits.test_images)


def net_psnr(digits, train_images: Tensor, **options: object) -> float:
    """Of a net trained on these images, on the digits and the noise that the filter is measured on."""
    torch.manual_seed(0)
    model = DeepAutoencoder((784, 1000), mean=digits.train_images.mean(dim=0))
    Trainer(model, batch_size=100, lr=3e-3, **options).fit(train_images, n_epochs=6)
    return psnr_db(reconstruct(model, corrupted(digits.test_images, NOISE, seed=1)), digits.test_images)


def test_a_net_that_learnt_to_denoise_beats_the_best_filter_by_2_decibels(digits, filters_psnr):
    assert 15 < filters_psnr < 17
    assert net_psnr(digits, digits.train_images, corrupt=NOISE) >= filters_psnr + 2


def test_a_net_whose_target_is_the_noisy_image_itself_does_not(digits, filters_psnr):
    noisy = corrupted(digits.train_images, NOISE, seed=0)
    assert net_psnr(digits, noisy) < filters_psnr


# -------------------------------------------------------------------------------------------------------- variational

ELBO_BOUND = 180.0


def trained(digits, kl_weight: float, *, n_epochs: int = 4) -> VariationalAutoencoder:
    torch.manual_seed(0)
    model = VariationalAutoencoder((784, 256, 64, 2), mean=digits.train_images.mean(dim=0))
    trainer = Trainer(
        model, loss=negative_elbo(kl_weight), output=VariationalAutoencoder.forward_sampled, batch_size=100
    )
    if n_epochs:
        trainer.fit(digits.train_images, n_epochs=n_epochs)
    return model


def nats_of_test_digits(digits, model: VariationalAutoencoder) -> float:
    return Trainer(model, loss=negative_elbo(), output=VariationalAutoencoder.forward_sampled).evaluate(
        digits.test_images
    )


def divergence(digits, model: VariationalAutoencoder) -> float:
    with torch.no_grad():
        return kl_nats_per_image(*model.encode_distribution(digits.test_images)).item()


def test_a_variational_model_tells_more_of_a_digit_than_its_code_costs(digits):
    model = trained(digits, 1.0)
    assert nats_of_test_digits(digits, model) < ELBO_BOUND
    assert 3 < divergence(digits, model) < 10


@pytest.mark.parametrize(("kl_weight", "n_epochs"), [(100.0, 4), (1.0, 0)], ids=["collapsed", "untrained"])
def test_a_variational_model_whose_code_says_nothing_misses_the_bound(digits, kl_weight, n_epochs):
    model = trained(digits, kl_weight, n_epochs=n_epochs)
    assert nats_of_test_digits(digits, model) > ELBO_BOUND + 20
    assert divergence(digits, model) < 1


def test_the_net_of_convolutions_starts_at_the_mean_grey_and_has_the_weights_that_it_is_said_to_have(digits):
    torch.manual_seed(0)
    net = fully_convolutional(digits)
    assert count_parameters(net) == 10_873
    x = digits.train_images[:200]
    assert net(x).shape == x.shape
    assert net(x).mean().item() == pytest.approx(digits.train_images.mean().item(), rel=0.2)
    small = replace(digits, train_images=digits.train_images[:400], train_labels=digits.train_labels[:400])
    x_noisy = corrupted(digits.test_images[:100], NOISE, seed=1)
    restored = reconstruct(convolutional_denoiser(small, 0, "Gaussian 0.5"), x_noisy)
    assert psnr_db(restored, digits.test_images[:100]) > psnr_db(x_noisy, digits.test_images[:100]) + 3
