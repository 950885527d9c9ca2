"""The nets of the course: auto-encoders, each with `encode`, `decode` and `forward`, and a classifier."""

from course_utils.models.classifier import Classifier
from course_utils.models.convolutional import ConvAutoencoder
from course_utils.models.dense import (
    BinaryAutoencoder,
    DeepAutoencoder,
    DenseAutoencoder,
    LinearAutoencoder,
    TextAutoencoder,
    VariationalAutoencoder,
    VariationalOutput,
    forward_with_code,
)
from course_utils.models.parts import Activation, Init

__all__ = [
    "Activation", "BinaryAutoencoder", "Classifier", "ConvAutoencoder", "DeepAutoencoder", "DenseAutoencoder", "Init",
    "LinearAutoencoder", "TextAutoencoder", "VariationalAutoencoder", "VariationalOutput", "forward_with_code",
]  # fmt: skip
