"""Named data sets with a fixed split: images as tensors in [0, 1], texts with topics. Offline first."""

from course_utils.data.common import DataError, OtherDataWarning, check_range, differing_data, known_data, loaded_data
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
    "DataError", "ImageData", "OtherDataWarning", "TextData", "VectorData",
    "check_images", "check_range", "differing_data", "image_folder", "known_data", "labelled_subset", "load_corpus",
    "load_images", "loaded_data", "make_curves", "text_files",
]  # fmt: skip
