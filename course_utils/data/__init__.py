"""Named data sets with a fixed split: images as tensors in [0, 1], texts with topics. Offline first."""

from course_utils.data.cautions import DataCaution
from course_utils.data.common import DataError, OtherDataWarning, check_range, differing_data, known_data, loaded_data
from course_utils.data.loaders import load_corpus, load_images
from course_utils.data.offline_images import make_curves
from course_utils.data.own_images import image_folder
from course_utils.data.own_texts import text_files
from course_utils.data.pixels import check_images
from course_utils.data.sampling import labelled_subset
from course_utils.data.types import ImageData, TextData, VectorData

__all__ = [
    "DataCaution", "DataError", "ImageData", "OtherDataWarning", "TextData", "VectorData",
    "check_images", "check_range", "differing_data", "image_folder", "known_data", "labelled_subset", "load_corpus",
    "load_images", "loaded_data", "make_curves", "text_files",
]  # fmt: skip
