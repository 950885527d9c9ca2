"""Chapter 8, S20: a likelihood that can be compared with published ones, of binary digits."""

from __future__ import annotations

import torch
from torch import Tensor

from course_utils.claims.generation import variational_autoencoder
from course_utils.claims.rows import Measurement, row
from course_utils.claims.verdicts import against_number
from course_utils.data import ImageData
from course_utils.generation import nll_of_each_image
from course_utils.metrics import negative_elbo
from course_utils.models import VariationalAutoencoder
from course_utils.training import Trainer

RM15 = "Rezende & Mohamed, Variational inference with normalizing flows, ICML 2015, Table 2 (DLGM, diagonal covariance)"
PUBLISHED_NATS = 89.9
N_IMAGES = 1_000


def binarised(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw each pixel as 0 or 1, its grey value being the probability of a 1."""
    return torch.bernoulli(x, generator=generator)


@row("vae-nll-binarised", "S20",
     "A variational auto-encoder of this size reaches the published likelihood of binarised digits.",
     said_by=RM15,
     quantity="784-500-500-50, 30 epochs: −log p(x) of 1,000 binarised test digits, by 500 importance samples",
     unit="nats per image", relation="<", reference=PUBLISHED_NATS, source=RM15, only_on="full",
     seeds=(10, 3))  # fmt: skip
def likelihood_of_binarised_digits(digits: ImageData, seed: int) -> Measurement:
    """Train on pixels that are drawn anew at every step; the target stays grey, which is the mean over the draws."""
    torch.manual_seed(seed)
    model = variational_autoencoder(digits, (784, 500, 500, 50))
    trainer = Trainer(
        model, loss=negative_elbo(), output=VariationalAutoencoder.forward_sampled, corrupt=binarised,
        batch_size=250, seed=seed,
    )  # fmt: skip
    trainer.fit(digits.train_images, n_epochs=30)
    x = binarised(digits.test_images[:N_IMAGES], torch.Generator().manual_seed(0))
    nll = nll_of_each_image(model.cpu(), x, seed=seed).double()
    return against_number(nll, PUBLISHED_NATS)
