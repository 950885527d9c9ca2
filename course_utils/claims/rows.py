"""The rows of the ledger: each stands, as a decorator, above the function that measures it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from course_utils.claims.shared import digits
from course_utils.metrics import Precision, paired_difference
from course_utils.settings import Profile, Settings

Relation = Literal["<", ">", "≈"]
SAME_RUN, BOUND = "measured in the same run", "this course's bound"
# Who says it: the chapter itself, or where else it is said; unless a row names somebody, it is this course.
CHAPTER, COURSE = "the chapter", "this course"
LECTURE = "Lee's lecture; the chapter's notes leave it out"
BH89 = "Baldi & Hornik, Neural Networks 2:53 (1989)"
G20 = "Ghosh et al., ICLR 2020"
V10 = "Vincent et al., JMLR 11:3371 (2010)"
HS06 = "Hinton & Salakhutdinov, Science 313:504 (2006), Fig. 2B"
SSE, ERROR, POINTS, P10, P100 = "SSE per image", "test error, %", "points", "precision at 10", "precision at 100"
BOTH: tuple[Profile, ...] = ("quick", "full")
# The smallest difference from a baseline of the same run that matters: one rule a unit, the same for all rows, as a
# share of the baseline or in the unit itself. A published number or a bound says itself what matters. 0.01 of precision
# is one of a hundred results; 0.2 dB is 5 % of the squared error.
SHARE_THAT_MATTERS = {SSE: 0.02, "nats per image": 0.02}
OTHER_SHARE_THAT_MATTERS = 0.05
DIFFERENCE_THAT_MATTERS = {P10: 0.01, P100: 0.01, "dB": 0.2, "% right": 1.0, "% accepted by the critic": 2.0,
                           "% accepted": 2.0, "area under the ROC curve": 0.02}  # fmt: skip

# How many seeds the full profile has, in chapters where five of them take too long as yet; elsewhere five.
SEEDS_IN_FULL = dict.fromkeys(("deep", "images", "pretraining", "convolution", "generation"), 3)


@dataclass(frozen=True)
class Measurement:
    """What one seed gave.

    Parameters
    ----------
    value
        The number that the row is about, in the row's unit.
    reference
        The baseline of the same run; None where the row has a published number or a bound.
    data
        The name of the data set; the decorator `row` fills it in.
    series
        Columns of a figure, of equal length, e.g. `{"code size": […], "deep": […], "PCA": […]}`.
    interval
        95 % interval of value − reference over the queries or the test images, where these are a sample; None where no
        such chance enters.
    """

    value: float
    reference: float | None = None
    data: str = ""
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)
    interval: tuple[float, float] | None = None


def compared(values: Iterable[float]) -> Measurement:
    """Make a Measurement of two values: the one that the row is about, and the baseline of the same run."""
    value, reference = values
    return Measurement(value, reference)


def compared_precisions(a: Precision, b: Precision) -> Measurement:
    """Make a Measurement of two precisions on the same queries, with the interval of their difference over these."""
    difference = paired_difference(a, b)
    return Measurement(a.value, b.value, interval=(difference.low, difference.high))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence that can be wrong, as a row of the ledger.

    Parameters
    ----------
    id
        The row's name.
    system
        The part of the course that the sentence is about, "S1" to "S20".
    sentence
        The statement.
    quantity
        What is measured, in words.
    unit
        The unit of that number.
    relation
        How the number stands to the reference, if the sentence is right.
    said_by
        CHAPTER, where its notes say so themselves; a paper, with its place; COURSE, where this course asks on.
    source
        Where the reference comes from.
    measure
        `measure(cfg, seed)` → Measurement.
    chapter
        The part of the module's name before "_": rows of one chapter share trained nets.
    reference
        A published number or a bound; None where the measurement has its own baseline.
    tolerance
        For ≈: the largest difference that is still "about equal".
    only_on
        The profile that a published number is about; None for both.
    seeds
        How many seeds the quick profile has, and the full one. They stand here before anything is measured, and
        `make claims` uses them: at least 10 where one costs less than 30 s, at least 5 where it costs less than 5
        minutes, else 3.
    matters
        The smallest difference that matters, in the row's unit; None: what `smallest_that_matters` says of the unit.
    seeded
        False where no seed enters.
    reproduced
        The profiles in which `make claims` found that the row holds. What holds by so little that a single seed of a
        notebook may contradict it is left out.
    """

    id: str
    system: str
    sentence: str
    quantity: str
    unit: str
    relation: Relation
    said_by: str = COURSE
    source: str = SAME_RUN
    measure: Callable[[Settings, int], Measurement]
    chapter: str = ""
    reference: float | None = None
    tolerance: float = 0.0
    only_on: Profile | None = None
    seeds: tuple[int, int] = (10, 5)
    matters: float | None = None
    seeded: bool = True
    reproduced: tuple[Profile, ...] = ()

    def n_seeds(self, profile: Profile) -> int:
        """The number of seeds that the row has in a profile."""
        return self.seeds[BOTH.index(profile)] if self.seeded else 1

    def smallest_that_matters(self, reference: float) -> float:
        """The smallest difference from this reference that matters, in the row's unit."""
        if self.matters is not None or self.reference is not None:
            return self.matters or 0.0
        if self.unit in DIFFERENCE_THAT_MATTERS:
            return DIFFERENCE_THAT_MATTERS[self.unit]
        return SHARE_THAT_MATTERS.get(self.unit, OTHER_SHARE_THAT_MATTERS) * abs(reference)


CLAIMS: dict[str, Claim] = {}
Measure = Callable[[Any, int], Measurement]


def row(
    id: str, system: str, sentence: str, *, on: Callable[[Settings], Any] = digits, **fields: Any
) -> Callable[[Measure], Measure]:  # fmt: skip
    """Add a row to the ledger: decorates the function `(data, seed)` → Measurement that measures it.

    Parameters
    ----------
    id, system, sentence
        As of Claim.
    on
        The data set of a profile that the function gets, anything with a `name`; the digits unless given.
    fields
        The other fields of Claim.

    Returns
    -------
    Callable
        A decorator that gives the function back as it is.
    """

    def add(function: Measure) -> Measure:
        measure, chapter = partial(measured_on, on, function), _chapter_of(function.__module__)
        CLAIMS[id] = Claim(
            id=id, system=system, sentence=sentence, measure=measure, chapter=chapter,
            **{"seeds": (10, SEEDS_IN_FULL.get(chapter, 5))} | fields,
        )  # fmt: skip
        return function

    return add


def _chapter_of(module: str) -> str:
    """`course_utils.claims.generation_critics` belongs to generation: its rows use the nets of that chapter."""
    return module.rpartition(".")[2].partition("_")[0]


def measured_on(load: Callable[[Settings], Any], function: Measure, cfg: Settings, seed: int) -> Measurement:
    """Measure one seed on the data set of the profile, and note its name."""
    data = load(cfg)
    return replace(function(data, seed), data=data.name)
