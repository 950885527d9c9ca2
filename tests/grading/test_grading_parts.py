"""The parts of grading that need no class: what is suspicious, what a browser may show, how a cell ends."""

from __future__ import annotations

import dataclasses
import time
from types import SimpleNamespace

import nbformat
import pytest
from grading_course import CHAPTER, HAS_SANDBOX, ROOT, make_course, needs_sandbox

from course_grading import cell_run
from course_grading.__main__ import make_parser
from course_grading.batch import changes
from course_grading.cell_run import run_cell
from course_grading.course import Course, CourseError, Submission, retry_while_locked
from course_grading.files import write_atomically
from course_grading.kernel import Kernel
from course_grading.markdown import safe_markdown
from course_grading.outcomes import FLOOD, NO_REPLY, RAN, TIMED_OUT
from course_grading.recording import Result
from course_grading.release import hints_of
from course_grading.report import csv_of_grades, csv_of_tasks
from course_grading.rows import Row, Task
from course_grading.sandbox import Limits
from course_grading.sanitise import Rejected, read
from course_grading.suspicion import suspicious

pytestmark = pytest.mark.long

# --------------------------------------------------------------------------------------------------- what is suspicious


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("get_ipython().ast_transformers.append(1)", "uses get_ipython().ast_transformers"),
        ("ip = get_ipython()", "uses get_ipython"),
        ("!ls /", "uses get_ipython().system"),
        ("%run other.ipynb", "uses get_ipython"),
        ("%%bash\nls", "uses get_ipython"),
        ("import inspect as i", "imports inspect"),
        ("from unittest import mock", "imports unittest"),
        ("import os\nos.environ['A']", "uses os.environ"),
        ("import sys\nsys._getframe(1)", "uses sys._getframe"),
        ("import sys\nsys.modules['numpy'] = None", "uses sys.modules"),
        ("exec('x = 1')", "uses exec"),
        ("open('/etc/passwd')", "uses open"),
        ("In[-1]", "uses In"),
        ("np.allclose = lambda *a: True", "changes np.allclose"),
        ("import numpy\nnumpy.linalg.norm = len", "changes numpy.linalg.norm"),
        ("import numpy as n\nsetattr(n, 'abs', len)", "changes n by setattr"),
        ("class A:\n    def __eq__(self, other): return True", "defines __eq__"),
        ("def f(x):\n    return x.__class__.__subclasses__()", "uses x.__class__.__subclasses__"),
        ("get_ipython( broken", "uses get_ipython"),
        ("import dataclasses\ndataclasses.inspect.linecache", "uses dataclasses.inspect"),
        ("from sys import _getframe as g", "imports _getframe"),
        ("getattr(x, 'f_' + 'locals')", "uses getattr with a name in pieces"),
        ("%%time\nimport inspect", "imports inspect"),
        ("%time __import__('os')", "uses __import__"),
        ("def abs(v):\n    return 0", "takes the name abs"),
        ("sum = 0", "takes the name sum"),
        ("sse.__builtins__['abs'] = len", "uses sse.__builtins__"),
        ("np.__dict__['full'] = len", "uses np.__dict__"),
        ("A.__lt__ = lambda s, o: True", "changes A.__lt__"),
        ("type('A', (float,), {'__lt__': 1})", "names __lt__"),
        ("from sys import modules as m", "imports modules"),
        ("import timeit", "imports timeit"),
        ("x" + ".a" * 600, "contains code that cannot be read"),
        ("%time 1\n" * 60, "contains more than"),
        ("x = 1\n" * 50_000, "contains more than"),
    ],
)
def test_what_an_answer_does_not_need_is_named(code, finding):
    assert any(found.startswith(finding) for found in suspicious([code])), suspicious([code])


@pytest.mark.parametrize(
    "code",
    [
        "%matplotlib inline\n%timeit sum(range(10))",
        "net.eval(); [p for p in net.modules()]; torch.compile",
        "class Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.weight = 1",
        "for kill in range(3):\n    print(kill)",
        "x = np.arange(3); x.shape = (3, 1)",
        "# get_ipython, exec and open are only spoken of here\n'inspect'",
        "def broken(:",
        "class Net:\n    def forward(self, x):\n        sum = 0\n        return getattr(self, f'layer{sum}')",
    ],
)
def test_what_an_answer_may_well_do_is_not(code):
    assert suspicious([code]) == []


def test_what_is_imported_in_one_cell_is_known_in_the_next():
    assert suspicious(["import numpy as n", "n.abs = len"]) == ["changes n.abs"]


# ---------------------------------------------------------------------------------------------- what a browser may show


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a]( javascript:1)",
        "[a](JaVaScript&colon;alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](data:text/html;base64,AAAA)",
        "![a](javascript:alert(1))",
        "<a href='vbscript:1'>x</a>",
        "<svg onload=alert(1)></svg>",
        "<iframe srcdoc='<script>1</script>'></iframe>",
        "<math><mtext></mtext><script>1</script></math>",
        "<b style='background:url(javascript:1)'>x</b>",
        "$$<script>alert(1)</script>$$",
        "`<script>`\n\n    <script>\n",
        "<form action=javascript:1><button>x</button></form>",
        "<style>@import 'x'</style><link rel=stylesheet href=x><meta http-equiv=refresh content=0>",
    ],
)
def test_nothing_of_a_students_markdown_runs(source):
    html = safe_markdown(source).lower()
    for tag in ("<script", "<svg", "<iframe", "<math", "<form", "<style", "<link", "<meta", "<button"):
        assert tag not in html
    inside = [tag.split(">")[0] for tag in html.split("<")[1:]]
    assert [
        tag for tag in inside if "javascript:" in tag or "vbscript:" in tag or "onerror" in tag or "data:text" in tag
    ] == []


def test_what_markdown_is_for_is_shown():
    html = safe_markdown("# A\n\n**b** `c` $x<y$ [l](https://e.org)\n\n| a |\n|---|\n| 1 |\n\n![p](attachment:p.png)",
                         {"p.png": {"image/png": "QUJD"}})  # fmt: skip
    for part in ("<h1", "<strong>b</strong>", "<code>c</code>", "$x&lt;y$", 'href="https://e.org"', "<td>1</td>",
                 'src="data:image/png;base64,QUJD"'):  # fmt: skip
        assert part in html


# ------------------------------------------------------------------------------------------------------ how a cell ends


@pytest.fixture(scope="module")
def kernel():
    limits = Limits(output=200_000, kept_output=1_000, last_output_seconds=2)
    with Kernel(limits, unsafe=not HAS_SANDBOX) as kernel:
        yield kernel


def test_a_cell_that_runs_returns_reply_and_outputs(kernel):
    reply, outputs, ending = run_cell(kernel, "print('a')\n1 + 1", seconds=10)
    assert (reply["status"], ending) == ("ok", RAN)
    assert [o.get("text") or o.data["text/plain"] for o in outputs] == ["a\n", "2"]


def test_a_cell_that_raises_replies_so(kernel):
    reply, outputs, ending = run_cell(kernel, "raise ValueError('v')", seconds=10)
    assert (reply["status"], reply["ename"], reply["evalue"], ending) == ("error", "ValueError", "v", RAN)
    assert outputs[-1].output_type == "error"


def test_a_cell_that_is_interrupted_leaves_the_kernel_as_it_was(kernel):
    run_cell(kernel, "kept = 41", seconds=10)
    reply, _, ending = run_cell(kernel, "while True: pass", seconds=1)
    assert (reply["ename"], ending) == ("KeyboardInterrupt", TIMED_OUT)
    _, outputs, ending = run_cell(kernel, "kept + 1", seconds=10)
    assert (outputs[0].data["text/plain"], ending) == ("42", RAN)


def test_a_flood_is_stopped_and_little_of_it_kept(kernel):
    _, outputs, ending = run_cell(
        kernel, "import time\nwhile True:\n    print('x' * 1000); time.sleep(0.0005)", seconds=20
    )
    assert ending == FLOOD
    assert sum(len(o.text) for o in outputs if "text" in o) <= kernel.limits.kept_output
    assert run_cell(kernel, "1", seconds=10)[2] == RAN


def test_one_message_that_is_too_large_costs_its_cell_alone(kernel):
    reply, _, ending = run_cell(kernel, f"print('x' * {5 * kernel.limits.output})", seconds=20)
    assert (reply["status"], ending) == ("ok", FLOOD)
    _, outputs, ending = run_cell(kernel, "print('still here')", seconds=10)
    assert (outputs[0].text, ending) == ("still here\n", RAN)


@pytest.mark.parametrize("pause", [30.0, 3.0])
def test_a_machine_that_stands_still_for_a_while_costs_no_output(kernel, monkeypatch, pause):
    """A paused virtual machine, or one so busy that the grader does not get its turn: outputs lie there, unread."""
    stood_still = 0.0
    receive = cell_run.receive

    def pausing(source, *, timeout):
        nonlocal stood_still
        stood_still += pause
        return receive(source, timeout=timeout)

    monkeypatch.setattr(cell_run, "receive", pausing)
    monkeypatch.setattr(cell_run, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + stood_still))
    _, outputs, ending = run_cell(kernel, "print('all', flush=True)\nprint('of it')", seconds=10)
    assert ("".join(o.text for o in outputs), ending) == ("all\nof it\n", RAN)


@needs_sandbox
def test_a_kernel_that_dies_says_why():
    with Kernel(Limits()) as kernel:
        assert run_cell(kernel, "import os; os._exit(3)", seconds=10)[::2] == (None, NO_REPLY)
        assert "os._exit" in kernel.cause_of_death


# -------------------------------------------------------------------------------------------------------- smaller parts


def test_hints_are_the_constant_messages_of_assertions():
    assert hints_of("assert a, 'one'\nassert b\nassert c, f'{d}'\nif x:\n    assert e, 'two'") == {"one", "two"}


def test_changes_name_state_and_marks():
    before = Result("s", "c", "f", "graded", marks={"a": 1.0, "b": None})
    after = dataclasses.replace(before, state="flagged", marks={"a": 0.5, "b": 2.0})
    assert changes(before, after) == ["s c: graded → flagged", "s c: a 1 → 0.5", "s c: b no mark → 2"]


def test_a_cell_of_the_table_is_never_a_formula():
    row = Row("@s", "c", "graded", reason="=1+1", score=-1.0, tasks=[Task("+t", None, 2.0, False, hint="-h")])
    for text in (csv_of_grades([row]), csv_of_tasks([row])):
        cells = text.splitlines()[1].split(",")
        assert "@s" in text
        assert [cell for cell in cells if cell and cell[0] in "=+@"] == []
    assert "'-h" in csv_of_tasks([row])


def test_a_file_is_written_completely_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    write_atomically(target, "first")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(target, "\ud800")
    assert target.read_text() == "first"


def test_tries_end_and_other_errors_are_not_retried():
    from sqlalchemy.exc import OperationalError

    calls = []

    def locked():
        calls.append(1)
        raise OperationalError("update", {}, Exception("database is locked"))

    with pytest.raises(OperationalError):
        retry_while_locked(locked, tries=2)
    assert len(calls) == 2
    with pytest.raises(ZeroDivisionError):
        retry_while_locked(lambda: 1 / 0)


def test_chapters_are_named_by_number_or_name(tmp_path):
    course = Course(make_course(tmp_path))
    assert (
        course.chapters(["1"])
        == course.chapters(["01"])
        == course.chapters([CHAPTER])
        == course.chapters([])
        == [CHAPTER]
    )
    for wrong in ("2", "units", "", "01_unit"):
        with pytest.raises(CourseError, match=CHAPTER):
            course.chapters([wrong])


@pytest.mark.parametrize("name", ["a b", ".hidden", "-x", "=1", "a/b", "../x", "ä ö", "a\nb"])
def test_a_strange_student_id_is_rejected(tmp_path, name):
    with pytest.raises(Rejected, match="student id"):
        read(Submission(name, CHAPTER, tmp_path))


def test_every_command_of_teaching_md_is_one_that_there_is():
    text = (ROOT / "TEACHING.md").read_text(encoding="utf-8")
    lines = [line.split("course_grading ")[1] for line in text.splitlines() if line.startswith(".venv/bin/python -m")]
    assert len(lines) >= 3
    for line in lines:
        make_parser().parse_args(line.split())


def test_the_exercises_config_is_the_one_that_the_course_reads():
    course = Course(ROOT / "exercises")
    assert course.config.HTMLExporter.sanitize_html
    assert course.db_url.endswith("gradebook.db?timeout=60")
    assert nbformat.__version__
