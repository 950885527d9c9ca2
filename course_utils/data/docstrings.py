"""Write the docstrings of the installed scientific packages as JSON: (topic, dotted name, docstring).

This is a separate program, which runs in a fresh interpreter that imports nothing else, so that the same versions give
the same texts whatever else was imported or installed: scikit-learn's experimental classes, for instance, are public
only after another import.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import warnings
from collections.abc import Iterator, Mapping

# Modules whose public names are documented functions and classes, and which import in silence; and the classes whose
# methods people look up as functions. matplotlib.pyplot is left out: it repeats the methods of Axes and Figure.
MODULES = {
    "numpy": "numpy ndarray linalg fft random random.Generator polynomial char ma",
    "matplotlib": "artist axes axes.Axes axis cm collections colorbar colors container contour dates figure "
    "figure.Figure gridspec image legend lines markers offsetbox patches path patheffects projections quiver scale "
    "spines table text ticker transforms tri widgets animation mathtext",
    "sklearn": "base calibration cluster compose covariance cross_decomposition datasets decomposition "
    "discriminant_analysis dummy ensemble feature_extraction feature_selection gaussian_process impute inspection "
    "isotonic kernel_approximation kernel_ridge linear_model manifold metrics metrics.pairwise mixture model_selection "
    "multiclass multioutput naive_bayes neighbors neural_network pipeline preprocessing random_projection "
    "semi_supervised svm tree utils",
    "scipy": "cluster.hierarchy cluster.vq fft integrate interpolate io linalg ndimage optimize signal sparse "
    "sparse.linalg sparse.csgraph spatial spatial.distance special stats stats.qmc stats.mstats",
    "torch": "torch Tensor nn nn.functional nn.init nn.utils optim optim.lr_scheduler distributions linalg fft special "
    "sparse utils.data autograd",
}  # fmt: skip


def docstrings(modules: Mapping[str, str] = MODULES) -> Iterator[tuple[str, str, str]]:
    """Find what is public, callable and documented by its own package.

    Names that warn, because they are deprecated, are left out. So are NumPy's scalar types, whose names and
    documentation differ between platforms.

    Parameters
    ----------
    modules
        The package → the names of its modules and classes, separated by spaces.

    Yields
    ------
    tuple of str
        Topic, dotted name and docstring.
    """
    seen: set[int] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = {
            (root, name if name == root else f"{root}.{name}"): None for root, names in modules.items()
            for name in names.split()
        }  # fmt: skip
        # All of them first: scipy, when imported, rewrites the documentation of some of numpy's functions.
        found = {(root, name): _import(name) for root, name in names}
        for (root, module_name), module in found.items():
            is_sub_package = root in ("scipy", "torch") and module_name not in (root, "torch.Tensor")
            topic = ".".join(module_name.split(".")[:2]) if is_sub_package else root
            for public in sorted(n for n in getattr(module, "__all__", dir(module)) if not n.startswith("_")):
                try:
                    thing = getattr(module, public)
                    text = inspect.getdoc(thing) if callable(thing) else None
                except Exception:  # deprecated or experimental: it warns, or cannot be had
                    continue
                if text and id(thing) not in seen and _is_of(root, thing, module_name):
                    seen.add(id(thing))
                    yield topic, f"{module_name}.{public}", text


def _import(name: str) -> object:
    """Return a module, a class such as torch.Tensor, or an empty object where this version has no such module."""
    try:
        parent, _, last = name.rpartition(".")
        return getattr(importlib.import_module(parent), last) if last[:1].isupper() else importlib.import_module(name)
    except Exception:
        return object()


def _is_of(root: str, thing: object, module_name: str) -> bool:
    """Tell whether a thing and its documentation are of this package: a class may inherit them from one of Python's."""
    if isinstance(thing, type):
        import numpy as np

        if issubclass(thing, np.generic):
            return False
        thing = next((c for c in thing.__mro__ if c.__dict__.get("__doc__")), thing)
    home = getattr(thing, "__module__", None) or module_name
    return home.split(".")[0].lstrip("_") == root


if __name__ == "__main__":
    sys.stdout.write(json.dumps(list(docstrings())))
