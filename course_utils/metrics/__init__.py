"""Numbers with a unit: the unit stands in the name. Reductions are over pixels first, then the mean over images."""

from course_utils.metrics.losses import (
    bce_nats_per_image,
    cross_entropy,
    kl_nats_per_image,
    nats_per_word,
    negative_elbo,
    penalised_sse,
    sse_of_each_image,
    sse_per_image,
    word_frequencies,
)
from course_utils.metrics.measures import (
    checkerboard_percent,
    count_parameters,
    derivatives_by_pixel,
    effective_classes,
    error_percent,
    grey_ink_percent,
    nearest_sse,
    principal_angles_deg,
    psnr_db,
    psnr_of_each_image,
)
from course_utils.metrics.ranking import Estimate, Precision, hits_at_k, paired_difference, precision_at_k, precision_of

__all__ = [
    "Estimate",
    "Precision",
    "bce_nats_per_image",
    "checkerboard_percent",
    "count_parameters",
    "cross_entropy",
    "derivatives_by_pixel",
    "effective_classes",
    "error_percent",
    "grey_ink_percent",
    "hits_at_k",
    "kl_nats_per_image",
    "nats_per_word",
    "nearest_sse",
    "negative_elbo",
    "paired_difference",
    "penalised_sse",
    "precision_at_k",
    "precision_of",
    "principal_angles_deg",
    "psnr_db",
    "psnr_of_each_image",
    "sse_of_each_image",
    "sse_per_image",
    "word_frequencies",
]
