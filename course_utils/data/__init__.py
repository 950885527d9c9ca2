"""Named data sets with a fixed split: images as tensors in [0, 1], texts with topics. Offline first."""

from course_utils.data.common import DataError, check_range
from course_utils.data.corpora import TextData, VectorData, load_corpus, text_files
from course_utils.data.images import (
    ImageData,
    check_images,
    image_folder,
    labelled_subset,
    load_images,
    make_curves,
)

__all__ = [
    "DataError", "ImageData", "TextData", "VectorData",
    "check_images", "check_range", "image_folder", "labelled_subset", "load_corpus", "load_images", "make_curves",
    "text_files",
]  # fmt: skip
