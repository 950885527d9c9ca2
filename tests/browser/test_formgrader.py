"""What grading leaves behind, seen in nbgrader's formgrader in Chromium: the marks are right, and nothing runs.

A small class is graded once. One Jupyter server shows its course directory; another shows a copy whose
nbgrader_config.py lacks the lines that sanitise, and there the same pages do run what the students wrote: so the tests
would see it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import nbformat
import pytest
from grading_class import CASES, CHAPTER, HINT_MEAN, SECRET, Case, answered, cell, hand_in, make_course
from nbformat import NotebookNode
from nbformat.v4 import new_output, new_raw_cell

from course_utils.grading.batch import grade
from course_utils.grading.course import Course
from course_utils.grading.feedback import feedback
from course_utils.grading.release import release
from course_utils.grading.report import Row, report, rows
from course_utils.grading.sandbox import SandboxUnavailable, preflight

from .conftest import SCREENSHOTS, WINDOW, jupyter

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Locator, Page, Route

# nbgrader's and SQLAlchemy's own warnings are not ours
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]

SANITISING = ("sanitize_html", "preprocessors", "filters")
SCRIPT = "<script>window.parent.hacked = window.hacked = true; document.title = 'hacked'</script>"
# the pages of nbgrader load MathJax from this host; here it is a stand-in that does nothing, and no other host is asked
MATHJAX_HOST = "cdnjs.cloudflare.com"
MATHJAX = """window.MathJax = {Hub: {
    Config() {}, Queue() {}, Typeset() {}, Startup: {signal: {Interest(done) { setTimeout(() => done('End')); }}},
}}"""
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mP8z8BQz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC"
FORMATTED = """It has **a unit**: $\\frac{1}{n}\\sum_i e_i < 3$.

| error | unit |
|---|---|
| SSE | an image |

![drawn by hand](attachment:drawn.png)

```python
def f(x): return x
```"""


def wrote(text: str, **pictures: str) -> Case:
    """All is right, and this is the written answer."""

    def change(released: NotebookNode, folder: Path) -> NotebookNode:
        notebook = answered(released)
        why = cell(notebook, "why")
        why.source, why.attachments = text, {f"{name}.png": {"image/png": data} for name, data in pictures.items()}
        return notebook

    return Case(change)


CLASS = {name: CASES[name] for name in ("right", "per-pixel", "untouched", "renamed")}
HOSTILE = {name: CASES[name] for name in ("scripts", "removes-asserts")}
OWN = {
    "formatted": wrote(FORMATTED, drawn=DOT),
    "buttons": wrote('Because. <span class="full-credit">Go on</span>'),
    "by-hand": CASES["right"],
}
# what the machine gives; the written answer waits
SCORES = {"right": 3, "per-pixel": 1, "untouched": 0, "formatted": 3, "buttons": 3, "by-hand": 3}
HOSTILE_SCORES = {"scripts": 3, "removes-asserts": 0}


def has_sandbox() -> bool:
    """Whether code that is not harmless may run here."""
    try:
        preflight()
    except SandboxUnavailable as error:
        print(error)
        return False
    return True


@pytest.fixture(scope="module")
def boxed() -> bool:
    return has_sandbox()


@pytest.fixture
def needs_sandbox(boxed: bool) -> None:
    if not boxed:
        pytest.skip("NO WORKING BUBBLEWRAP ON THIS MACHINE: the hostile submissions were not graded")


@pytest.fixture(scope="module")
def scores(boxed: bool) -> dict[str, int]:
    """Who has how many points when the machine has marked."""
    return SCORES | (HOSTILE_SCORES if boxed else {})


@pytest.fixture(scope="module")
def course(_course_variables: None, chromium: Browser, boxed: bool, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A class, graded, with feedback and report. Without the sandbox only what is harmless was handed in."""
    root = make_course(tmp_path_factory.mktemp("class"))
    course = Course(root)
    release(course, CHAPTER)
    for name, case in (CLASS | OWN | (HOSTILE if boxed else {})).items():
        hand_in(root, name, case)
    grade(course, [CHAPTER], unsafe=not boxed)
    _put_raw_outputs(root)
    feedback(course, [CHAPTER], flagged=True)
    report(course, [CHAPTER])
    return course


def _put_raw_outputs(root: Path) -> None:
    """Into one autograded notebook, by hand, what our own grading would not have let in."""
    path = root / "autograded" / "by-hand" / CHAPTER / f"{CHAPTER}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    data = {"text/html": f"<b>shown</b>{SCRIPT}"}
    cell(notebook, "sse-check").outputs = [new_output("display_data", data=data)]
    notebook.cells.append(new_raw_cell("<img src=x onerror='window.hacked = true'>", id="raw"))
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


@pytest.fixture(scope="module")
def formgrader(course: Course, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The formgrader's address, on a server that was started in the course directory."""
    with jupyter("jupyter_server", course.root, tmp_path_factory.mktemp("settings")) as base:
        yield f"{base}/formgrader"


@pytest.fixture(scope="module")
def careless(course: Course, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same on a copy of the course whose nbgrader_config.py sanitises nothing."""
    root = tmp_path_factory.mktemp("careless") / "class"
    shutil.copytree(course.root, root)
    config = root / "nbgrader_config.py"
    lines = config.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(tuple(f"c.HTMLExporter.{name}" for name in SANITISING))]
    assert len(lines) - len(kept) == len(SANITISING)
    config.write_text("\n".join(kept), encoding="utf-8")
    with jupyter("jupyter_server", root, tmp_path_factory.mktemp("settings")) as base:
        yield f"{base}/formgrader"


class Visit:
    """A window of its own, and what the pages in it do beyond being shown."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialogs: list[str] = []
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("dialog", self._dismiss)
        page.on("pageerror", lambda error: self.complaints.append(f"exception in the page: {error}"))
        page.on("console", lambda m: self.complaints.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        page.context.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), self._answer)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _answer(self, route: Route) -> None:
        if urlsplit(route.request.url).hostname == MATHJAX_HOST:
            route.fulfill(body=MATHJAX, content_type="text/javascript")
        else:
            route.abort()

    def open(self, address: str) -> None:
        self.page.goto(address, wait_until="networkidle")

    def open_submission(self, formgrader: str, student: str) -> None:
        """As an instructor comes there: from the list of the chapter's submissions."""
        self.open(f"{formgrader}/gradebook/{CHAPTER}/{CHAPTER}")
        self.page.click("#toggle_names")
        self.page.click(f'#main-table a.name-shown:text-is("{student}")')
        self.page.wait_for_load_state("networkidle")

    def table(self) -> Locator:
        """The rows of the page's table, when they are there."""
        self.page.wait_for_selector("#main-table tr td.score, #main-table tr td.num-submissions")
        return self.page.locator("#main-table tr")

    def row(self, text: str) -> Locator:
        return self.table().filter(has_text=re.compile(rf"(?<![\w-]){text}(?![\w-])"))

    def answer(self) -> Locator:
        """The written answer as the formgrader shows it."""
        return self.page.locator(".nbgrader_cell", has=self.page.locator("#why")).locator(".rendered_html")

    @property
    def ran(self) -> list[str]:
        """What ran that a student wrote."""
        frames = [frame for page in self.page.context.pages for frame in page.frames]
        ran = [f"hacked: {frame.url}" for frame in frames if frame.evaluate("() => window.hacked !== undefined")]
        titles = [f"title: {frame.title()}" for frame in frames if "hacked" in frame.title()]
        more = [f"window: {page.url}" for page in self.page.context.pages[1:]]
        return ran + titles + more + self.dialogs

    def screenshot(self, name: str) -> None:
        self.page.screenshot(path=SCREENSHOTS / f"formgrader_{name}.png", full_page=True)


@contextmanager
def visiting(browser: Browser, *, offline: bool = False) -> Iterator[Visit]:
    context = browser.new_context(viewport=WINDOW, offline=offline)
    try:
        yield Visit(context.new_page())
    finally:
        context.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    with visiting(chromium) as visit:
        yield visit


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_silently() -> None:
    """There is no notebook open here; each test looks at what its own pages complain of."""


def row_of(course: Course, student: str) -> Row:
    return next(row for row in rows(course, [CHAPTER]) if row.student == student)


# ------------------------------------------------------------------------------------------------- marks, read and given


def test_the_list_of_chapters_counts_the_submissions(formgrader, course, visit):
    visit.open(formgrader)
    assert visit.page.url.endswith("/formgrader/manage_assignments")
    n = len(course.submissions([CHAPTER]))
    assert visit.row(CHAPTER).locator(".num-submissions").inner_text() == str(n)
    visit.screenshot("chapters")
    assert visit.complaints == []


def test_the_list_for_grading_by_hand_has_the_average_of_what_was_graded(formgrader, course, scores, visit):
    visit.open(f"{formgrader}/gradebook")
    row = visit.row(CHAPTER)
    visit.screenshot("averages")
    assert row.locator(".score").inner_text() == ""
    assert visit.complaints == []
