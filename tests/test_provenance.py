"""What a result was made from: what changes a fingerprint, and what does not."""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from course_utils import provenance
from course_utils.provenance import checksum, code_fingerprint, source_fingerprint

NUMBERS = itertools.count()
SOURCE = '''
"""A module."""
from functools import cache, partial

SCALE = 2.0
TABLE = {"a": (1, 2), "b": None}


class Base:
    rate = 0.1


class Net(Base):
    """A net."""

    def run(self, x: float) -> float:
        """Run it."""
        return helper(x) * self.rate


def helper(x: float) -> float:
    if x < 0:
        raise ValueError(f"x is {x}; it must not be negative.")
    assert x < 10, "too large"
    return x * SCALE


@cache
def measure(x: float) -> float:
    """Measure it."""
    net: Net = Net()  # a comment
    return net.run(x) + len(TABLE)


unused = 3
pair = partial(measure, 1.0)
by_name = {"first": lambda x: x + SCALE}
'''


@pytest.fixture
def module(monkeypatch, tmp_path):
    """Write and import a module that counts as this project's own; returns a function that does so."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)

    def load(source: str) -> ModuleType:
        name = f"made_up_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another"),
        ('"""Measure it."""', '"""Measure it, whatever the unit."""'),
        ("x: float) -> float:\n    if", "x: int) -> int:\n    if"),
        ("net: Net = Net()", "net: Base = Net()"),
        ("it must not be negative.", "give one that is at least 0."),
        ('"too large"', '"more than 10"'),
        ("unused = 3", "unused = 4"),
        ("return helper(x) * self.rate", "return (\n            helper(x)\n            * self.rate\n        )"),
        ("SCALE = 2.0\n", "SCALE = 4.0 / 2\n"),
        ("    net: Net", "    import math\n\n    net: Net"),
    ],
)  # fmt: skip
def test_what_cannot_change_a_number_does_not_count(module, old, new):
    assert old in SOURCE
    assert code_fingerprint(module(SOURCE.replace(old, new)).measure) == code_fingerprint(module(SOURCE).measure)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 2.0", "SCALE = 3.0"),  # a constant, two calls away
        ("rate = 0.1", "rate = 0.2"),  # of a base class
        ("return x * SCALE", "return x + SCALE"),
        ("raise ValueError", "raise TypeError"),
        ("if x < 0", "if x <= 0"),
        ('"b": None', '"b": 1'),
        ("len(TABLE)", "len(TABLE) + 1"),
    ],
)
def test_what_can_change_a_number_counts(module, old, new):
    assert old in SOURCE
    assert code_fingerprint(module(SOURCE.replace(old, new)).measure) != code_fingerprint(module(SOURCE).measure)


def test_another_place_and_another_file_do_not_count(module):
    """Functions that are moved, in a file or to another one, are the same functions."""
    helper = SOURCE[SOURCE.index("def helper") : SOURCE.index("@cache")]
    elsewhere = module(f"SCALE = 2.0\n\n\n{helper}")
    moved = f"from {elsewhere.__name__} import helper\n" + SOURCE.replace(helper, "").replace("SCALE = 2.0\n", "")
    moved = moved.replace('\nby_name = {"first": lambda x: x + SCALE}', "")
    assert code_fingerprint(module(moved).measure) == code_fingerprint(module(SOURCE).measure)


def test_partials_and_lambdas_have_fingerprints(module):
    plain, changed = module(SOURCE), module(SOURCE.replace("SCALE = 2.0", "SCALE = 3.0"))
    assert code_fingerprint(plain.pair) != code_fingerprint(changed.pair)
    assert code_fingerprint(plain.by_name) != code_fingerprint(changed.by_name)
    assert code_fingerprint(plain.pair) != code_fingerprint(functools.partial(plain.measure, 2.0))


def test_what_is_stopped_at_is_left_out(module):
    plain, changed = module(SOURCE), module(SOURCE.replace("return x * SCALE", "return x + SCALE"))
    assert code_fingerprint(plain.measure, stop=(plain.helper,)) == code_fingerprint(
        changed.measure, stop=(changed.helper,)
    )
    assert code_fingerprint(plain.measure, stop=(plain.helper,)) != code_fingerprint(plain.measure)


def test_all_of_a_module_is_left_out(module):
    prints = []
    for scale in (2, 3):
        other = module(f"SCALE = {scale}\nclass Scaled:\n    by = {scale}\ndef scaled(x):\n    return {scale} * x")
        uses = module(f"import {other.__name__} as other\nfrom {other.__name__} import Scaled\n"
                      f"def measure(x):\n    return other.scaled(Scaled.by * x)")  # fmt: skip
        prints.append([code_fingerprint(uses.measure), code_fingerprint(uses.measure, stop=(other,))])
    assert prints[0][0] != prints[1][0]
    assert prints[0][1] == prints[1][1]


DECORATED = """
from functools import cache

WORD = "words"
LOADED = {"digits": 1}


def label(text: str, *, bound: float, on=None):
    return lambda function: function


def digits() -> int:
    return len(LOADED)


@label("A sentence.", bound=1.0, on=digits)
@cache
def measure(x: float) -> float:
    return 2 * x
"""


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ('@label("A sentence.", bound=1.0, on=digits)', '@label("Another, longer one.", bound=2.0)', False),
        ('@label("A sentence.", bound=1.0, on=digits)', "@label(WORD, bound=1.0)", False),
        ('@label("A sentence.", bound=1.0, on=digits)\n', "", False),
        ('{"digits": 1}', '{"digits": 2}', False),  # used by an argument of the decorator alone
        ("return 2 * x", "return 3 * x", True),
        ("def measure(x: float)", "def measure(x: float, y=0)", True),
        ("@cache\n", "", True),  # another decorator
    ],
)
def test_a_decorator_that_is_left_out_does_not_count_and_its_function_does(module, old, new, counts):
    assert old in DECORATED
    plain, changed = module(DECORATED), module(DECORATED.replace(old, new))
    prints = [code_fingerprint(m.measure, stop=(m.label,)) for m in (plain, changed)]
    assert (prints[0] != prints[1]) == counts


def test_a_program_counts_by_what_it_uses_of_the_package():
    uses = "from course_utils.metrics import sse_per_image\nprint(sse_per_image(1, 2))"
    other = "from course_utils import metrics as m\nprint(m.sse_per_image)"
    more = "from course_utils.metrics import sse_per_image, psnr_db\nprint(sse_per_image, psnr_db)"
    assert source_fingerprint(uses) == source_fingerprint(other)
    assert source_fingerprint(uses) != source_fingerprint(more)
    assert source_fingerprint("import numpy") == source_fingerprint("1 + 1")


def test_the_text_of_a_tree_does_not_depend_on_the_version_of_python():
    """`ast.dump` shows fields that only some versions have."""
    text = provenance._text(ast.parse("def f(a, *, b=1): return f'{a}{b!r:>3}'"))
    assert "type_params" not in text
    assert "ctx" not in text


@pytest.mark.long
def test_a_fingerprint_is_the_same_in_another_process_and_from_another_folder(tmp_path):
    code = "from course_utils import provenance, training; print(provenance.code_fingerprint(training.Trainer))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONHASHSEED": "7", "PATH": ""},
    )  # fmt: skip
    from course_utils.training import Trainer

    assert done.stdout.strip() == code_fingerprint(Trainer)


def test_a_checksum_is_of_names_types_shapes_and_bytes():
    arrays = {"x": np.arange(6, dtype=np.uint8), "y": np.zeros(2)}
    assert checksum(arrays) == checksum(dict(reversed(arrays.items())))
    assert checksum({"x": np.arange(12, dtype=np.uint8)[::2], "y": arrays["y"]}) == checksum(
        {"x": np.ascontiguousarray(np.arange(12, dtype=np.uint8)[::2]), "y": arrays["y"]}
    )
    others = (
        {"x": arrays["x"].reshape(2, 3), "y": arrays["y"]},
        {"x": arrays["x"].astype(np.int16), "y": arrays["y"]},
        {"z": arrays["x"], "y": arrays["y"]},
        {"x": arrays["x"] + 1, "y": arrays["y"]},
    )
    assert len({checksum(arrays), *map(checksum, others)}) == 5
