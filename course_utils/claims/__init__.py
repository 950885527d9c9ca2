"""The ledger: what the chapter says, and what was measured. `python -m course_utils.claims` is its command line."""

from course_utils.claims.freshness import confirm, stale
from course_utils.claims.ledger import CLAIMS, Claim, ClaimBroken, claim, claims_table, series
from course_utils.claims.measuring import Measurement, Result, load_results, measure, save_results

__all__ = [
    "CLAIMS", "Claim", "ClaimBroken", "Measurement", "Result",
    "claim", "claims_table", "confirm", "load_results", "measure", "save_results", "series", "stale",
]  # fmt: skip
