"""The ledger: what the chapter and others say, and what was measured. `python -m course_utils.claims` runs it.

Each chapter has a module, in which a row of the ledger stands above the function that measures it.
"""

# The order of the chapters is the order of the rows.
from course_utils.claims import pca, deep, text, images, pretraining, convolution, denoising, generation  # noqa: F401, I001
from course_utils.claims import (  # noqa: F401
    denoising_opponents,
    generation_critics,
    generation_likelihood,
    pretraining_small,
)
from course_utils.claims.table import claim, claims_table, series

__all__ = ["claim", "claims_table", "series"]
