"""Chapter 1, S1 and S2: an encoder and a decoder, and PCA as the linear auto-encoder."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor
from torch.nn.functional import normalize

from course_utils.claims.rows import BH89, BOTH, BOUND, CHAPTER, HS06, SSE, Measurement, row
from course_utils.claims.shared import (
    by_size,
    deep_autoencoder,
    fitted_pca,
    pca_sse_of_each,
    sse_after_training,
    test_sse_of_each,
    trained,
)
from course_utils.claims.verdicts import against_number, compared_by_item, ratio_by_item
from course_utils.data import ImageData
from course_utils.metrics import principal_angles_deg
from course_utils.models import DeepAutoencoder, LinearAutoencoder

PERCENT_ABOVE = 1.0


@row("halves-train-together", "S1",
     "Neither half can be trained alone: encoder and decoder must be learnt together.",
     said_by=CHAPTER,
     quantity="test error with a random, frozen encoder, against both trained",
     unit=SSE, relation=">", reproduced=BOTH)  # fmt: skip
def halves_train_together(digits: ImageData, seed: int) -> Measurement:
    """Train a decoder behind an encoder that stays random, and both together; 784-256-10."""

    def net(frozen: bool) -> DeepAutoencoder:
        model = deep_autoencoder(digits, (784, 256, 10))
        model.encoder.requires_grad_(not frozen)
        return model

    options = {"n_epochs": by_size(digits, small=10, large=5), "batch_size": 100, "seed": seed}
    return compared_by_item(sse_after_training(partial(net, f), digits, **options)["test"] for f in (True, False))


@row("pca30-mnist-sse", "S2",
     "PCA to 30 numbers restores MNIST with the published error.",
     said_by=HS06,
     quantity="test error of PCA-30, fitted on 60,000, centred, not clipped",
     unit=SSE, relation="≈", reference=13.87, tolerance=0.01, source=HS06, only_on="full", seeded=False,
     reproduced=("full",))  # fmt: skip
def pca30(digits: ImageData, seed: int) -> Measurement:
    """Measure the test SSE of PCA with 30 components; the test images are those of the published number."""
    return Measurement(pca_sse_of_each(digits, 30).mean().item())


@cache  # four rows look at the same nets
def linear_net(data: ImageData, seed: int, *, centred: bool = True) -> LinearAutoencoder:
    """Train a tied linear auto-encoder with a code of 10: 800 steps on 4,000 images, 6,000 on 60,000."""
    mean = data.train_images.mean(0) if centred else None
    return trained(
        lambda: LinearAutoencoder(data.n_features, 10, mean=mean, tied=True), data.train_images,
        n_epochs=by_size(data, small=20, large=10), lr=1e-2, batch_size=100, seed=seed,
    )  # fmt: skip


def principal_axes(data: ImageData) -> Tensor:
    """Fit PCA's ten leading axes, `(10, 784)`."""
    return torch.from_numpy(fitted_pca(data, 10).components_)


@row("linear-ae-is-pca", "S2",
     "PCA is a linear auto-encoder: training finds the subspace of the leading components.",
     said_by=BH89,
     quantity="largest principal angle between the two 10-D subspaces",
     unit="degrees", relation="<", reference=5.0, source="this course's bound; two random subspaces: 89°",
     reproduced=BOTH, seeds=(10, 10))  # fmt: skip
def linear_angle(digits: ImageData, seed: int) -> Measurement:
    """Measure the largest principal angle between the net's subspace and PCA's, in degrees."""
    angles = principal_angles_deg(linear_net(digits, seed).encoder.weight.T, principal_axes(digits).T)
    return Measurement(float(angles[0]))


@row("linear-ae-sse", "S2",
     "The linear auto-encoder's error is PCA's.",
     said_by=BH89,
     quantity="test error above PCA-10's",
     unit="% of PCA-10's SSE", relation="<", reference=PERCENT_ABOVE, source=BOUND, reproduced=BOTH,
     seeds=(10, 10))  # fmt: skip
def linear_sse(digits: ImageData, seed: int) -> Measurement:
    """Measure by how many percent the net's test SSE is above PCA's."""
    ratio = ratio_by_item([test_sse_of_each(digits, linear_net(digits, seed)), pca_sse_of_each(digits, 10)])
    return against_number(100 * (ratio - 1), PERCENT_ABOVE)


@row("linear-ae-not-axes", "S2",
     "The linear auto-encoder finds PCA's subspace, not its axes.",
     said_by=BH89,
     quantity="angle between any of its axes and the nearest principal axis, the smallest of ten",
     unit="degrees", relation=">", reference=5.0, source=BOUND, reproduced=BOTH, seeds=(10, 10))  # fmt: skip
def linear_axes(digits: ImageData, seed: int) -> Measurement:
    """Measure the angle of the axis, of the net's ten, that is nearest to a principal axis."""
    axes = normalize(linear_net(digits, seed).encoder.weight.detach(), dim=1)
    cosines = (axes @ principal_axes(digits).T).abs()
    return Measurement(cosines.max().clamp(max=1).acos().rad2deg().item())


@row("centring-matters", "S2",
     "The mean must be subtracted first.",
     said_by=CHAPTER,
     quantity="test error of the linear auto-encoder without centring, against with it",
     unit=SSE, relation=">", seeds=(10, 10))  # fmt: skip
def centring(digits: ImageData, seed: int) -> Measurement:
    """Compare the net without centring with the net with it."""
    nets = (linear_net(digits, seed, centred=centred) for centred in (False, True))
    return compared_by_item(test_sse_of_each(digits, net) for net in nets)
