"""What grading leaves behind, seen in nbgrader's formgrader in Chromium: the marks are right, and nothing runs.

A small class is graded once. One Jupyter server shows its course directory; another shows a copy whose
nbgrader_config.py lacks the lines that sanitise, and there the same pages do run what the students wrote: so the tests
would see it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import nbformat
import pytest
from grading_class import CASES
from grading_course import CHAPTER, HINT_MEAN, SECRET, Case, answered, cell, hand_in, make_course
from nbformat import NotebookNode
from nbformat.v4 import new_output, new_raw_cell

from course_grading.batch import grade
from course_grading.course import Course
from course_grading.feedback import feedback
from course_grading.release import release
from course_grading.report import report
from course_grading.rows import Row, rows
from course_grading.sandbox import SandboxUnavailable, preflight

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
FORMULA = r"$\frac{1}{n}\sum_i e_i < 3$"
FORMATTED = f"""It has **a unit**: {FORMULA}.

| error | unit |
|---|---|
| SSE | an image |

![drawn by hand](attachment:drawn.png)

> An image is no pixel.

```python
return x < 3
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
    "smuggler": wrote('Because. <b class="full-credit">Go on</b>'),
}
# what the machine gives; the written answer waits
SCORES = {"right": 3, "per-pixel": 1, "untouched": 0, "formatted": 3, "smuggler": 3}
HOSTILE_SCORES = {"scripts": 3, "removes-asserts": 0}


@pytest.fixture(scope="module")
def boxed() -> bool:
    """Whether code that is not harmless may run here."""
    try:
        preflight()
    except SandboxUnavailable as error:
        print(error)
        return False
    return True


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
    path = root / "autograded" / "smuggler" / CHAPTER / f"{CHAPTER}.ipynb"
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

    def open_submission(self, formgrader: str, course: Course, student: str) -> None:
        """The page of a student's submission, with its marks."""
        with course.gradebook() as gradebook:
            number = gradebook.find_submission_notebook(CHAPTER, CHAPTER, student).id
        self.page.goto(f"{formgrader}/submissions/{number}/")
        self.wait_for_marks()

    def wait_for_marks(self) -> None:
        # typeof: the page that a click is about to leave does not know the name, and asking for it would be an error
        self.page.wait_for_function(
            "() => typeof formgrader !== 'undefined'"
            " && formgrader.loaded && formgrader.grades.loaded && formgrader.comments.loaded"
        )

    def table(self) -> Locator:
        """The rows of the page's table, when they are there."""
        self.page.wait_for_selector("#main-table tr td.score, #main-table tr td.num-submissions")
        return self.page.locator("#main-table tr")

    def row(self, text: str) -> Locator:
        """The row with a cell that says just this."""
        return self.table().filter(has=self.page.locator(f':text-is("{text}")'))

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


# ----------------------------------------------------------------------------------------------- marks, read and given


def test_the_list_of_chapters_counts_the_submissions(formgrader, course, visit):
    visit.page.goto(formgrader)
    assert visit.page.url.endswith("/formgrader/manage_assignments")
    n = len(course.submissions([CHAPTER]))
    assert visit.row(CHAPTER).locator(".num-submissions").inner_text() == str(n)
    visit.screenshot("chapters")
    assert visit.complaints == []


def test_the_list_for_grading_by_hand_has_the_average_score(formgrader, scores, visit):
    visit.page.goto(f"{formgrader}/gradebook")
    row = visit.row(CHAPTER)
    visit.screenshot("averages")
    n = len(scores) + 1  # for nbgrader a submission that was rejected has 0 points; our report leaves it out
    assert row.locator(".num-submissions").inner_text() == str(n)
    score, _, points = row.locator(".score").inner_text().partition(" / ")
    assert float(score) == pytest.approx(sum(scores.values()) / n, abs=0.006)
    assert points == "6"
    assert visit.complaints == []


def test_the_list_of_submissions_has_every_student_with_the_score(formgrader, course, scores, visit):
    visit.page.goto(f"{formgrader}/manage_submissions/{CHAPTER}")
    visit.screenshot("submissions")
    table = visit.table()
    assert table.count() == len(course.submissions([CHAPTER]))
    shown = {student: visit.row(student).locator(".score").inner_text() for student in (*scores, "renamed")}
    assert shown == {student: f"{score} / 6" for student, score in scores.items()} | {"renamed": ""}
    assert visit.row("renamed").locator(".status").inner_text() == "needs autograding"  # nbgrader knows no other word
    assert visit.row("per-pixel").locator(".status").inner_text() == "needs manual grading"
    assert visit.row("untouched").locator(".status").inner_text() == "graded"
    assert visit.complaints == []


def test_a_submission_s_page_shows_marks_points_and_what_failed(formgrader, visit):
    visit.page.goto(f"{formgrader}/gradebook/{CHAPTER}/{CHAPTER}")
    visit.table()
    visit.page.click("#toggle_names")
    visit.page.click('#main-table a.name-shown:text-is("per-pixel")')
    visit.wait_for_marks()
    visit.screenshot("per-pixel")
    boxes = {name: visit.page.locator(f"#{name}") for name in ("sse", "psnr", "why")}
    assert {name: box.input_value() or box.get_attribute("placeholder") or "" for name, box in boxes.items()} == {
        "sse": "0", "psnr": "1", "why": "",
    }  # fmt: skip
    points = {name: box.locator("xpath=..").inner_text().strip() for name, box in boxes.items()}
    assert points == {"sse": "/ 2.0", "psnr": "/ 1.0", "why": "/ 3.0"}
    assert f"AssertionError: {HINT_MEAN}" in visit.page.locator(".output_error").inner_text()
    assert SECRET in visit.page.locator("body").inner_text()  # the instructor sees the tests
    assert "needs_manual_grade" in boxes["why"].get_attribute("class")
    assert visit.complaints == []


def test_a_mark_and_a_comment_typed_by_hand_are_in_the_gradebook_and_in_the_report(formgrader, course, visit):
    before = row_of(course, "right")
    assert (before.score, before.to_mark_by_hand) == (3, 1)
    visit.open_submission(formgrader, course, "right")
    for box, text, kind in (("#why", "2.5", "grade"), ("#why-comment", "Which unit?", "comment")):
        with visit.page.expect_response(lambda r, kind=kind: f"/api/{kind}/" in r.url and r.request.method == "PUT"):
            visit.page.locator(box).fill(text)
            visit.page.locator(box).press("Tab")
    visit.screenshot("marked")
    with course.gradebook() as gradebook:
        place = ("why", CHAPTER, CHAPTER, "right")
        assert gradebook.find_grade(*place).manual_score == 2.5
        assert gradebook.find_comment(*place).manual_comment == "Which unit?"
    after = row_of(course, "right")
    assert (after.score, after.to_mark_by_hand) == (5.5, 0)
    assert visit.complaints == []


# -------------------------------------------------------------------------------- what students write is shown, not run


def test_a_formatted_answer_is_shown_with_its_table_its_code_and_its_picture(formgrader, course, visit):
    visit.open_submission(formgrader, course, "formatted")
    visit.screenshot("formatted")
    answer = visit.answer()
    assert answer.locator("strong").inner_text() == "a unit"
    assert answer.locator("table td").all_inner_texts() == ["SSE", "an image"]
    assert answer.locator("img").evaluate("image => image.naturalWidth") == 10
    assert answer.locator("pre span").count() > 1  # highlighted
    assert visit.complaints == []


def test_less_than_and_greater_than_in_an_answer_stay_what_they_are(formgrader, course, visit):
    visit.open_submission(formgrader, course, "formatted")
    text = visit.answer().inner_text()
    assert FORMULA in text  # where MathJax looks for it
    assert "return x < 3" in text
    assert visit.answer().locator("blockquote").inner_text().strip() == "An image is no pixel."


def click_link(visit: Visit) -> None:
    visit.answer().locator('a:text-is("link")').click()
    visit.page.wait_for_timeout(1000)


@pytest.mark.usefixtures("needs_sandbox")
def test_nothing_of_a_submission_full_of_scripts_runs(formgrader, course, visit):
    visit.open_submission(formgrader, course, "scripts")
    visit.screenshot("scripts")
    title, address = visit.page.title(), visit.page.url
    assert title == CHAPTER
    assert visit.answer().inner_text().startswith("Because.")
    assert visit.page.locator("#notebook :is(script, iframe, object, embed, svg, form)").count() == 0
    assert visit.ran == []
    click_link(visit)
    assert visit.ran == []
    assert (visit.page.title(), visit.page.url.rstrip("#")) == (title, address)
    assert visit.complaints == []
    assert visit.hosts <= {"127.0.0.1", MATHJAX_HOST}


@pytest.mark.usefixtures("needs_sandbox")
def test_with_a_config_that_sanitises_nothing_the_same_page_runs_them(careless, course, visit):
    visit.open_submission(careless, course, "scripts")
    assert "title: hacked" in visit.ran
    assert any(line.startswith("hacked: ") for line in visit.ran)
    visit.page.wait_for_load_state("networkidle")  # a picture that is not there says so late, and runs its script then
    visit.page.wait_for_timeout(500)
    visit.page.evaluate("() => { delete window.hacked; document.title = 'as before'; }")
    assert visit.ran == []
    click_link(visit)
    assert visit.ran != []


def test_an_output_that_came_past_our_own_grading_does_not_run_either(formgrader, course, visit):
    visit.open_submission(formgrader, course, "smuggler")
    visit.screenshot("smuggler")
    assert visit.ran == []
    assert "shown" in visit.page.locator(".output_html").inner_text()
    assert visit.complaints == []


def test_with_a_config_that_sanitises_nothing_that_output_runs(careless, course, visit):
    visit.open_submission(careless, course, "smuggler")
    assert "title: hacked" in visit.ran


def test_an_answer_cannot_pass_for_a_button_of_the_formgrader(formgrader, course, visit):
    visit.open_submission(formgrader, course, "smuggler")
    visit.answer().get_by_text("Go on").click()
    visit.page.wait_for_timeout(500)  # a mark that a button gives is saved at once
    assert row_of(course, "smuggler").score == 3
    assert visit.complaints == []


# --------------------------------------------------------------------------------------------- files, without a network


@pytest.fixture
def offline(chromium: Browser) -> Iterator[Visit]:
    """A window without a network. A page of nbgrader's asks for MathJax, and does without."""
    with visiting(chromium, offline=True) as visit:
        visit.page.context.unroute_all()
        visit.page.context.route(re.compile("^(http|ws)"), lambda route: route.abort())
        yield visit


@pytest.mark.usefixtures("needs_sandbox")
def test_a_feedback_page_is_a_file_that_shows_the_text_and_runs_nothing(course, offline):
    offline.page.goto((course.root / "feedback" / "scripts" / CHAPTER / f"{CHAPTER}.html").as_uri())
    offline.screenshot("feedback")
    text = offline.page.locator("body").inner_text()
    assert "Because." in text
    assert "Passed." in text
    assert "Score: 3.0 / 6.0" in text
    assert offline.ran == []
    offline.page.locator('a:text-is("link")').click()
    assert offline.ran == []
    assert offline.page.title() == CHAPTER
    assert [c for c in offline.complaints if not c.startswith("console: Failed to load resource: net::ERR_")] == []
    assert offline.hosts <= {None, MATHJAX_HOST}


def test_a_feedback_page_without_a_network_is_laid_out_and_has_the_hint(course, offline):
    for name, expected in (("per-pixel", HINT_MEAN), ("formatted", "It has a unit")):
        offline.page.goto((course.root / "feedback" / name / CHAPTER / f"{CHAPTER}.html").as_uri())
        offline.screenshot(f"feedback_{name}")
        assert expected in offline.page.locator("body").inner_text()
    assert offline.page.locator(".rendered_html img").evaluate("image => image.naturalWidth") == 10


def test_the_report_is_a_file_that_needs_nothing_else(course, scores, offline):
    offline.page.goto((course.root / "report" / "index.html").as_uri())
    offline.screenshot("report")
    text = offline.page.locator("body").inner_text()
    assert f"{len(scores)} with marks" in text
    assert HINT_MEAN in text
    assert offline.page.locator("svg").bounding_box()["height"] > 100
    assert offline.page.locator(".bar i").first.evaluate("bar => getComputedStyle(bar).display") == "block"
    assert offline.ran == []
    assert offline.complaints == []
    assert offline.hosts <= {None}
