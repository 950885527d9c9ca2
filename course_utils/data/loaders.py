"""The data sets by name."""

from __future__ import annotations

from collections.abc import Callable

from course_utils.data.common import DataError
from course_utils.data.offline_images import load_curves, load_mnist_5k, load_photos
from course_utils.data.python_docs import load_python_docs
from course_utils.data.standard import load_20newsgroups, load_cifar10, load_rcv1, load_torchvision
from course_utils.data.types import ImageData, TextData, VectorData

IMAGES: dict[str, Callable[[], ImageData]] = {
    "mnist-5k": load_mnist_5k,
    "curves": load_curves,
    "photos": load_photos,
    "mnist": lambda: load_torchvision("mnist", "MNIST", offline="mnist-5k"),
    "fashion-mnist": lambda: load_torchvision("fashion-mnist", "FashionMNIST", offline="mnist-5k"),
    "cifar10": load_cifar10,
}
CORPORA: dict[str, Callable[[], TextData | VectorData]] = {
    "python-docs": load_python_docs,
    "20newsgroups": load_20newsgroups,
    "rcv1": load_rcv1,
}


def load_images(name: str) -> ImageData:
    """Load the images of that name, and download them to `settings().data_folder` if they are missing.

    Parameters
    ----------
    name
        "mnist-5k" (offline, 4,000/1,000 digits), "curves" (generated, 20,000/10,000), "photos" (offline, 4,000/1,000
        colour patches), "mnist", "fashion-mnist" (60,000/10,000 each) or "cifar10" (50,000/10,000).

    Returns
    -------
    ImageData
        The images with their fixed split.

    Raises
    ------
    DataError
        The name is unknown, files are damaged, or there is no network to download them.

    Examples
    --------
    >>> load_images("mnist-5k").image_shape
    (1, 28, 28)
    """
    if name not in IMAGES:
        raise DataError(f"There is no data set {name!r}. Choose one of {', '.join(IMAGES)}; or image_folder(path).")
    return IMAGES[name]()


def load_corpus(name: str) -> TextData | VectorData:
    """Load the corpus of that name, and download it to `settings().data_folder` if it is missing.

    Parameters
    ----------
    name
        "python-docs" (offline: the documentation of the installed scientific packages), "20newsgroups" (18,000 posts
        without headers, footers and quotes, split by date) or "rcv1" (newswire, as vectors).

    Returns
    -------
    TextData or VectorData
        The corpus with its fixed split; VectorData for "rcv1". Other versions of the packages have other
        documentation: then `note` says so.

    Raises
    ------
    DataError
        The name is unknown, or there is no network to download the corpus.

    Warns
    -----
    OtherDataWarning
        The documents are not those that the course's numbers were measured with.
    """
    if name not in CORPORA:
        raise DataError(f"There is no corpus {name!r}. Choose one of {', '.join(CORPORA)}; or text_files(path).")
    return CORPORA[name]()
