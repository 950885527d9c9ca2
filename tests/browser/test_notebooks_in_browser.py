"""Every notebook run in JupyterLab in Chromium, and its widgets played with: what a learner sees is what is true.

A class a notebook: NOTEBOOK is its name, WIDGETS the classes of its widgets with their sliders' labels. It inherits the
tests that every notebook must pass, and adds what its widgets must show, against numbers computed here.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from scipy import ndimage

from course_utils.claims import series
from course_utils.data import ImageData, TextData, load_corpus
from course_utils.plotting import COLOURS, METHOD_COLOURS, class_colours
from course_utils.text import BagOfWords
from course_utils.widgets.restoring import RESIDUAL_COLOURS

from .conftest import Picture, WidgetView

pytestmark = pytest.mark.browser

# The aim is 100 ms, which feels immediate; the bound leaves room for a machine that is shared or slow.
MEDIAN_MS = 250
# What is shown has two decimals, and the notebook computes in single precision.
TWO_DECIMALS = 0.006
# A pixel is shown as one of 256 greys, rounded twice on the way.
TWO_GREYS = 2.01 / 255


class EveryNotebook:
    """What holds of each notebook. Its first test, which runs the notebook, takes as long as the notebook does."""

    NOTEBOOK: str
    WIDGETS: ClassVar[dict[str, tuple[str, ...]]]

    def test_every_cell_runs_and_none_fails(self, notebook):
        assert notebook.errors() == []
        counts = [cell["count"] for cell in notebook.code_cells()]
        assert counts == list(range(1, len(counts) + 1))

    def test_nothing_is_written_to_stderr(self, notebook):
        outputs = [output for cell in notebook.code_cells() for output in cell["outputs"]]
        written = ["".join(output["text"]) for output in outputs if output.get("name") == "stderr"]
        # With other versions of the packages than the tested ones, and only then, the data say that they are others.
        assert [text for text in written if "OtherDataWarning" not in text] == []

    def test_the_browser_reports_no_error_and_no_failed_request(self, notebook):
        assert notebook.complaints == []

    def test_no_request_goes_to_another_host(self, notebook):
        assert notebook.foreign_hosts == set()

    def test_every_picture_is_shown(self, notebook):
        outputs = [output.get("data", {}) for cell in notebook.code_cells() for output in cell["outputs"]]
        n_pictures = sum("image/png" in data for data in outputs)
        images = notebook.page.locator(".jp-Notebook img")
        widths = images.evaluate_all("images => images.map(image => image.naturalWidth)")
        assert len(widths) >= n_pictures > 0
        assert min(widths) > 0

    def test_its_widgets_are_those_named_here(self, notebook):
        assert notebook.widget_classes() == list(self.WIDGETS)

    def test_each_widget_is_displayed_with_its_sliders_its_picture_and_its_line_of_text(self, notebook):
        for class_name, descriptions in self.WIDGETS.items():
            widget = notebook.widget(class_name)
            widget.screenshot(class_name)
            assert widget.descriptions() == list(descriptions)
            for description in descriptions:
                slider = widget.slider(description)
                assert slider.box.is_visible()
                assert slider.value
            assert widget.image.is_visible()
            self.check_drawn(widget.picture())
            assert widget.readout()
            assert widget.errors() == ""

    def check_drawn(self, picture: Picture) -> None:
        """The picture shows what it is for."""
        assert picture.panels

    def test_a_laptop_s_window_shows_each_picture_in_its_own_size_and_a_narrow_one_all_of_it(self, notebook):
        for class_name in self.WIDGETS:
            widget = notebook.widget(class_name)
            height, width, _ = widget.picture().rgb.shape
            assert widget.shown_size() == pytest.approx((width, height), abs=1)
            assert widget.parts_cut_off() == []
            with notebook.window(width=900):
                widget.screenshot(f"{class_name}_narrow")
                shown_width, shown_height = widget.shown_size()
                assert shown_width / shown_height == pytest.approx(width / height, rel=0.02)
                assert widget.parts_cut_off() == []

    def test_each_key_press_on_a_slider_brings_a_new_picture_soon(self, notebook):
        for class_name, descriptions in self.WIDGETS.items():
            if not descriptions:
                continue  # it follows the pointer, and has tests of its own
            widget, times = notebook.widget(class_name), []
            for description in descriptions:
                slider = widget.slider(description)
                _, before, largest = slider.position()
                for key in ("ArrowRight", "ArrowLeft") if before + 1 <= largest else ("ArrowLeft", "ArrowRight"):
                    value = slider.value
                    times += slider.press(key)
                    assert slider.value != value
                assert slider.position()[1] == before
            assert len(times) == 2 * len(descriptions) > 0
            assert statistics.median(times) <= MEDIAN_MS
            assert widget.errors() == ""


def eventually(check: Callable[[], None], *, limit_s: float = 10) -> None:
    """Wait until the check's assertions hold; where they do not in time, fail as the last one did."""
    start = time.monotonic()
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() - start > limit_s:
                raise
            time.sleep(0.05)


# ------------------------------------------------------------------------------------------ what the notebooks compute


@pytest.fixture(scope="module")
def pca(digits: ImageData) -> tuple[np.ndarray, np.ndarray]:
    """Mean and components (rows) of the training images, by numpy in double precision."""
    x = digits.train_images.flatten(1).double().numpy()
    mean = x.mean(axis=0)
    _, vectors = np.linalg.eigh((x - mean).T @ (x - mean))  # smallest first
    return mean, vectors.T[::-1]


@pytest.fixture(scope="module")
def gallery(digits: ImageData) -> np.ndarray:
    """Digits to choose from: the first test image of each class, 0 to 9, then the second ones, `(20, 784)`."""
    x, labels = digits.test_images.flatten(1).double().numpy(), digits.test_labels.numpy()
    return np.concatenate([[x[labels == digit][nth] for digit in range(10)] for nth in (0, 1)])


def restored(x: np.ndarray, pca: tuple[np.ndarray, np.ndarray], *, k: int) -> np.ndarray:
    """x projected onto the first k principal components."""
    mean, components = pca
    return mean + (x - mean) @ components[:k].T @ components[:k]


def sse(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.square(a - b).sum(axis=-1)


def greys(x: np.ndarray) -> np.ndarray:
    """How an image of 784 numbers is shown."""
    return x.clip(0, 1).reshape(28, 28)


# ----------------------------------------------------------------------------------------------- notebook by notebook


class TestPCA(EveryNotebook):
    NOTEBOOK = "01_pca"
    WIDGETS: ClassVar = {"PCAExplorer": ("digit no.", "k")}

    @pytest.fixture
    def explorer(self, notebook):
        widget = notebook.widget("PCAExplorer")
        widget.slider("digit no.").to_start()
        widget.slider("k").to_start()
        return widget

    def check(self, explorer, gallery, pca, *, i, k):
        """The text and the picture are those of digit i at k."""
        x, x_hat = gallery[i], restored(gallery, pca, k=k)
        assert explorer.readout().startswith(f"k = {k}: ")
        assert explorer.number("SSE of this digit") == pytest.approx(sse(x_hat[i], x), abs=TWO_DECIMALS)
        assert explorer.number("mean of all 20") == pytest.approx(sse(x_hat, gallery).mean(), abs=TWO_DECIMALS)
        picture = explorer.picture()
        colours = mpl.colormaps[RESIDUAL_COLOURS]((greys_of_residual(x_hat[i] - x) + 1) / 2)[..., :3]
        np.testing.assert_allclose(picture.grey(0), greys(x), atol=TWO_GREYS)
        np.testing.assert_allclose(picture.grey(1), greys(x_hat[i]), atol=TWO_GREYS)
        np.testing.assert_allclose(picture.pixels(2), colours, atol=2 * TWO_GREYS)

    def test_text_and_picture_follow_k_from_none_to_all(self, explorer, gallery, pca):
        k = explorer.slider("k")
        self.check(explorer, gallery, pca, i=0, k=0)
        for expected in range(1, 8):
            k.press("ArrowRight")
            self.check(explorer, gallery, pca, i=0, k=expected)
        k.press("PageUp")  # ipywidgets' slider moves by five
        self.check(explorer, gallery, pca, i=0, k=12)
        k.to_end()
        self.check(explorer, gallery, pca, i=0, k=200)
        explorer.screenshot("PCAExplorer_all")

    def test_text_and_picture_follow_the_digit(self, explorer, gallery, pca):
        explorer.slider("k").press("PageUp", times=2)
        for i in range(1, 7):
            explorer.slider("digit no.").press("ArrowRight")
            self.check(explorer, gallery, pca, i=i, k=10)
        explorer.slider("digit no.").to_end()
        self.check(explorer, gallery, pca, i=19, k=10)

    def test_only_what_depends_on_k_changes_with_k(self, explorer):
        before = explorer.picture()
        explorer.slider("k").press("PageUp", times=4)
        after = explorer.picture()
        changed = after.changed_from(before)
        assert not changed[after.outside((1, 2), plot=True)].any()  # among them the digit itself, titles, tick labels
        for rows, columns in (*after.panels[1:], after.plot):
            assert changed[rows, columns].mean() > 0.001
        assert after.x_of_points(COLOURS[1]) > before.x_of_points(COLOURS[1])  # the point on the curve went right
        explorer.slider("k").to_start()
        assert not explorer.picture().changed_from(before).any()  # nothing of the other pictures is left

    def test_the_curve_and_all_pictures_change_with_the_digit(self, explorer):
        explorer.slider("k").press("PageUp")
        before = explorer.picture()
        explorer.slider("digit no.").press("ArrowRight")
        after = explorer.picture()
        changed = after.changed_from(before)
        assert not changed[after.outside((0, 1, 2), plot=True)].any()
        for rows, columns in (*after.panels, after.plot):
            assert changed[rows, columns].mean() > 0.001

    def test_a_drag_with_the_mouse_ends_at_the_slider_s_value(self, explorer, gallery, pca):
        explorer.slider("k").drag(to=0.6)
        k = int(explorer.slider("k").value)
        assert 110 <= k <= 130
        eventually(lambda: self.check(explorer, gallery, pca, i=0, k=k))
        explorer.screenshot("PCAExplorer_dragged")

    def test_a_number_typed_beside_the_slider_is_taken(self, explorer, gallery, pca):
        explorer.slider("k").type("37")
        eventually(lambda: self.check(explorer, gallery, pca, i=0, k=37))

    def test_an_error_in_a_callback_is_shown_below_the_picture_until_the_next_move(self, notebook, explorer):
        notebook.execute("""
            _update = PCAExplorer.update
            def _fails_at_1(self):
                if self.k.value == 1:
                    raise RuntimeError("deliberate")
                return _update(self)
            PCAExplorer.update = _fails_at_1
        """)
        try:
            explorer.slider("k").handle.focus()
            notebook.page.keyboard.press("ArrowRight")
            eventually(lambda: self.check_errors(explorer, "RuntimeError: deliberate"))
            explorer.screenshot("PCAExplorer_error")
            explorer.slider("k").press("ArrowRight")
            eventually(lambda: self.check_no_errors(explorer))
            assert explorer.readout().startswith("k = 2: ")
        finally:
            notebook.execute("PCAExplorer.update = _update")

    def check_errors(self, widget, text):
        assert text in widget.errors()

    def check_no_errors(self, widget):
        assert widget.errors() == ""


def greys_of_residual(r: np.ndarray) -> np.ndarray:
    return r.clip(-1, 1).reshape(28, 28)


class TestDeepAutoencoder(EveryNotebook):
    NOTEBOOK = "02_deep_autoencoder"
    WIDGETS: ClassVar = {"CodeSizeExplorer": ("digit no.", "code size"), "WalkExplorer": ("from no.", "to no.", "t")}
    CODE_SIZES = (2, 4, 8, 16, 32, 64)

    @pytest.fixture
    def explorer(self, notebook):
        widget = notebook.widget("CodeSizeExplorer")
        for description in self.WIDGETS["CodeSizeExplorer"]:
            widget.slider(description).to_start()
        return widget

    @pytest.fixture
    def walk(self, notebook):
        """From digit 0 to digit 2, at t = 0."""
        widget = notebook.widget("WalkExplorer")
        for description in self.WIDGETS["WalkExplorer"]:
            widget.slider(description).to_start()
        widget.slider("to no.").press("ArrowRight", times=2)
        return widget

    def check_sizes(self, explorer, gallery, pca, *, i, k):
        """The text and the pictures are those of digit i at code size k; the deep network's error."""
        x, x_pca = gallery[i], restored(gallery[i], pca, k=k)
        assert explorer.readout().startswith(f"code of {k} numbers: ")
        assert explorer.slider("code size").value == str(k)
        assert explorer.number("PCA") == pytest.approx(sse(x_pca, x), abs=TWO_DECIMALS)
        picture = explorer.picture()
        np.testing.assert_allclose(picture.grey(0), greys(x), atol=TWO_GREYS)
        np.testing.assert_allclose(picture.grey(1), greys(x_pca), atol=TWO_GREYS)
        # The notebook trained the network, so its error is checked against its own picture, as far as greys go.
        sse_deep = explorer.number("deep")
        assert sse_deep == pytest.approx(sse(picture.grey(2).ravel(), x), rel=0.02, abs=0.1)
        return sse_deep

    def test_text_and_pictures_follow_the_code_size(self, explorer, gallery, pca, trained):
        deep = [self.check_sizes(explorer, gallery, pca, i=0, k=self.CODE_SIZES[0])]
        for k in self.CODE_SIZES[1:]:
            explorer.slider("code size").press("ArrowRight")
            deep.append(self.check_sizes(explorer, gallery, pca, i=0, k=k))
            assert abs(deep[-1] - explorer.number("PCA")) > 0.01
        assert len(set(deep)) == len(self.CODE_SIZES)
        assert deep[-1] < deep[0] / (2 if trained else 1)  # 64 numbers say more about a digit than 2
        explorer.screenshot("CodeSizeExplorer_largest")

    def test_text_and_pictures_follow_the_digit(self, explorer, gallery, pca):
        for i in range(1, 7):
            explorer.slider("digit no.").press("ArrowRight")
            self.check_sizes(explorer, gallery, pca, i=i, k=2)

    def test_only_what_depends_on_the_code_size_changes_with_it(self, explorer):
        before = explorer.picture()
        explorer.slider("code size").press("ArrowRight", times=3)
        after = explorer.picture()
        changed = after.changed_from(before)
        assert not changed[after.outside((1, 2), plot=True)].any()
        for rows, columns in (*after.panels[1:], after.plot):
            assert changed[rows, columns].mean() > 0.001
        for method in ("PCA", "deep"):
            colour = METHOD_COLOURS[method]
            assert after.x_of_points(colour) > before.x_of_points(colour)
        explorer.slider("code size").to_start()
        assert not explorer.picture().changed_from(before).any()

    def check_walk(self, walk, gallery, *, a, b, t):
        """The mixed pixels are those of digits a and b at t, and the distance is that of the two pictures shown."""
        mixed = (1 - t) * gallery[a] + t * gallery[b]
        assert walk.readout().startswith(f"t = {t:.2f}: ")
        picture = walk.picture()
        np.testing.assert_allclose(picture.grey(1), greys(mixed), atol=TWO_GREYS)
        shown = sse(picture.grey(2).ravel(), mixed)
        assert walk.number("the two pictures at t are") == pytest.approx(shown, rel=0.02, abs=0.1)
        # In the strip, nine steps from a to b; the marker at t covers a column or two of one of them.
        steps = picture.pixels(0, (56, 9 * 28))[..., 2].reshape(2, 28, 9, 28)[0]
        for place, digit in ((0, a), (8, b)):
            assert (np.abs(steps[:, place] - greys(gallery[digit])) < TWO_GREYS).mean() > 0.9

    def test_the_walk_begins_and_ends_with_the_digits_themselves(self, walk, gallery):
        self.check_walk(walk, gallery, a=0, b=2, t=0)
        walk.slider("t").to_end()
        self.check_walk(walk, gallery, a=0, b=2, t=1)

    def test_text_and_pictures_follow_t(self, walk, gallery):
        for step in range(1, 8):
            walk.slider("t").press("ArrowRight")
            self.check_walk(walk, gallery, a=0, b=2, t=step * 0.02)
        walk.slider("t").type("0.5")
        eventually(lambda: self.check_walk(walk, gallery, a=0, b=2, t=0.5))
        walk.screenshot("WalkExplorer_half")

    def test_text_and_pictures_follow_both_ends(self, walk, gallery):
        walk.slider("from no.").press("ArrowRight", times=3)
        self.check_walk(walk, gallery, a=3, b=2, t=0)
        walk.slider("to no.").press("ArrowRight", times=4)
        self.check_walk(walk, gallery, a=3, b=6, t=0)

    def test_only_the_marker_and_the_two_large_pictures_change_with_t(self, walk):
        before = walk.picture()
        walk.slider("t").to_end()
        after = walk.picture()
        changed = after.changed_from(before)
        assert not changed[after.outside((0, 1, 2), plot=False)].any()
        rows, columns = after.panels[0]
        assert 0 < changed[rows, columns].mean() < 0.05  # the marker left one place for another
        for rows, columns in after.panels[1:]:
            assert changed[rows, columns].mean() > 0.01
        walk.slider("t").to_start()
        assert not walk.picture().changed_from(before).any()

    def test_a_drag_with_the_mouse_ends_at_the_slider_s_value(self, walk, gallery):
        walk.slider("t").drag(to=0.7)
        t = float(walk.slider("t").value)
        assert 0.6 < t < 0.8
        eventually(lambda: self.check_walk(walk, gallery, a=0, b=2, t=t))


@pytest.fixture(scope="module")
def corpus(_course_variables: None) -> TextData:
    return load_corpus("python-docs")


@pytest.fixture(scope="module")
def tfidf(corpus: TextData) -> Callable[[str], list[tuple[str, str]]]:
    """Topic and title of the eight documents that are nearest by tf-idf and cosine, by numpy in double precision."""
    bag = BagOfWords(2_000).fit(corpus.train_texts)
    collection = bag.transform(corpus.train_texts).toarray().astype(np.float64)
    idf = np.log((1 + len(collection)) / (1 + (collection > 0).sum(axis=0))) + 1
    collection *= idf
    collection /= np.maximum(np.linalg.norm(collection, axis=1), 1e-9)[:, None]

    def nearest(query: str) -> list[tuple[str, str]]:
        cosines = collection @ (bag.transform([query]).toarray()[0] * idf)
        best = np.argsort(-cosines, kind="stable")[:8]
        return [(corpus.topic_names[corpus.train_labels[i]], corpus.train_titles[i]) for i in best]

    return nearest


class TestTextRetrieval(EveryNotebook):
    NOTEBOOK = "03_text_retrieval"
    WIDGETS: ClassVar = {"TextSearchExplorer": ("or text no.",)}
    QUERY = "low pass filter of a signal"
    METHODS = ("tf-idf", "LSA-2", "code-10", "code-2", "LSA-10")

    @pytest.fixture
    def explorer(self, notebook):
        """As the notebook shows it at first."""
        widget = notebook.widget("TextSearchExplorer")
        widget.slider("or text no.").to_start()
        self.ask(widget, self.QUERY)
        return widget

    def ask(self, explorer: WidgetView, query: str) -> None:
        """Put a query into the box at once, as one pastes it."""
        explorer.text_box("query").fill(query)
        explorer.settle()

    def check_says(self, explorer, *parts):
        for part in parts:
            assert part in explorer.readout()

    def check_drawn(self, picture):
        """Points of the first topics, a little paler than their colours."""
        for colour in class_colours(3):
            assert picture.in_colour(to_hex(0.8 * np.array(colour) + 0.2)) > 20

    def check_tfidf(self, explorer, tfidf, query):
        lines = explorer.columns()["tf-idf"].lines
        expected = tfidf(query)
        assert len(lines) == 8
        for line, (topic, title) in zip(lines, expected, strict=True):
            shown = title if " " in title else ".".join(title.removeprefix(f"{topic}.").split(".")[-2:])
            assert line.removeprefix("✓").split() == f"{topic} {shown}".split()

    def test_a_laptop_s_window_shows_each_picture_in_its_own_size_and_a_narrow_one_all_of_it(self, notebook):
        super().test_a_laptop_s_window_shows_each_picture_in_its_own_size_and_a_narrow_one_all_of_it(notebook)

    def test_a_column_of_eight_for_each_method_answers_the_first_query(self, notebook, tfidf):
        explorer = notebook.widget("TextSearchExplorer")
        explorer.slider("or text no.").to_start()
        columns, query = explorer.columns(), explorer.text_box("query").input_value()
        assert explorer.readout().startswith("Searched for: ")
        assert tuple(columns) == self.METHODS
        assert [len(column.lines) for column in columns.values()] == [8] * 5
        self.check_tfidf(explorer, tfidf, query)

    def test_each_letter_that_is_typed_brings_a_new_answer_soon(self, notebook, explorer, tfidf):
        place = notebook.place()
        self.ask(explorer, "")
        times = explorer.type("query", "filter matrix plotting dd")
        assert explorer.text_box("query").input_value() == "filter matrix plotting dd"
        assert len(times) == 18
        assert statistics.median(times) <= MEDIAN_MS
        assert notebook.place() == place  # “dd” deletes a cell where it reaches the notebook
        eventually(lambda: self.check_says(explorer, "Searched for: filter, matrix", "“dd”"))
        self.check_tfidf(explorer, tfidf, "filter matrix plotting dd")
        assert explorer.errors() == ""
        explorer.screenshot("TextSearchExplorer_typed")

    def test_another_query_moves_the_marks_on_the_maps_and_nothing_else(self, explorer):
        before = explorer.picture()
        self.ask(explorer, "matrix")
        changed = explorer.picture().changed_from(before)
        for half in np.array_split(changed, 2, axis=1):
            assert 50 < half.sum() < 0.05 * half.size
        self.ask(explorer, self.QUERY)
        assert not explorer.picture().changed_from(before).any()

    def test_a_misspelt_word_gets_a_suggestion_in_view(self, notebook, explorer):
        self.ask(explorer, "")
        explorer.type("query", "filtr signal")
        eventually(lambda: self.check_says(explorer, "Searched for: signal.", "“filtr”; near it: filter"))
        line = explorer.box.locator(".widget-html-content").last.get_by_text("near it").first
        line.scroll_into_view_if_needed()
        assert line.is_visible()
        explorer.screenshot("TextSearchExplorer_misspelt")

    def test_an_unknown_word_is_said_to_be_unknown_and_finds_nothing(self, explorer):
        self.ask(explorer, "")
        explorer.type("query", "zzyzx")
        eventually(lambda: self.check_says(explorer, "Not in the vocabulary: “zzyzx”.", "nothing to search for"))
        assert [column.lines for column in explorer.columns().values()] == [["–"]] * 5
        explorer.screenshot("TextSearchExplorer_unknown")

    def test_a_pasted_megabyte_is_answered(self, explorer, tfidf):
        explorer.text_box("query").fill("signal " * 150_000)
        eventually(lambda: self.check_says(explorer, "Searched for: signal. Only the first 2,000 words were read."))
        self.check_tfidf(explorer, tfidf, "signal")
        assert explorer.parts_cut_off() == []

    def test_a_picked_document_s_right_answers_are_ticked_and_counted(self, explorer, corpus, tfidf):
        slider, counts = explorer.slider("or text no."), []
        for i in range(5):
            slider.press("ArrowRight")
            assert slider.value == str(i)
            topic = corpus.topic_names[corpus.test_labels[i]]
            assert f"text {i}: {corpus.test_titles[i]}" in explorer.readout()
            self.check_tfidf(explorer, tfidf, corpus.test_texts[i])
            for column in explorer.columns().values():
                assert column.heading == f"{column.n_ticked} of 8 right"
                for line in column.lines:
                    assert line.startswith("✓") == line.removeprefix("✓").strip().startswith(topic)
                counts.append(column.n_ticked)
        assert 0 < np.mean(counts) < 8
        explorer.screenshot("TextSearchExplorer_picked")

    def test_what_was_touched_last_is_asked(self, explorer):
        slider = explorer.slider("or text no.")
        slider.press("ArrowRight")
        assert "of 8 right" in explorer.readout()
        explorer.type("query", "s")
        explorer.settle()
        self.check_says(explorer, "Searched for: low, pass, filter.", "“signals”")
        assert "of 8 right" not in explorer.readout()
        assert slider.position()[1] == -1
        slider.press("ArrowRight")
        assert explorer.readout().startswith("text 0: ")

    def test_the_last_document_can_be_picked_and_the_slider_dragged(self, explorer, corpus):
        slider = explorer.slider("or text no.")
        slider.to_end()
        last = len(corpus.test_texts) - 1
        assert explorer.readout().startswith(f"text {last}: ")
        slider.drag(to=0.5)
        i = int(slider.value)
        assert 0.4 * last < i < 0.6 * last
        eventually(lambda: self.check_says(explorer, f"text {i}: {corpus.test_titles[i]}"))


class TestImageSearch(EveryNotebook):
    NOTEBOOK = "04_image_search"
    WIDGETS: ClassVar = {"ImageSearchExplorer": ("shift →", "shift ↓")}
    METHODS = ("pixels", "deep", "deep, trained on shifts", "64 bits")
    N_COLUMNS = 15
    VERMILLION = COLOURS[1]
    ONE = tuple((14.0, y) for y in np.linspace(4, 24, 13))

    @pytest.fixture
    def explorer(self, notebook):
        """Picture 0, not shifted, an empty pad, and no class said."""
        widget = notebook.widget("ImageSearchExplorer")
        for label in self.WIDGETS["ImageSearchExplorer"]:
            slider = widget.slider(label)
            shift = int(slider.position()[1])
            slider.press("ArrowLeft" if shift > 0 else "ArrowRight", times=abs(shift))
        widget.dropdown("I drew a").select_option("I do not say")
        widget.pad.clear()
        widget.chooser.click(0, n_columns=self.N_COLUMNS)
        return widget

    def test_a_laptop_s_window_shows_each_picture_in_its_own_size_and_a_narrow_one_all_of_it(self, notebook):
        super().test_a_laptop_s_window_shows_each_picture_in_its_own_size_and_a_narrow_one_all_of_it(notebook)

    def n_wrong(self, explorer: WidgetView) -> dict[str, int]:
        return {name: int(explorer.number(name)) for name in self.METHODS}

    def check_asked(self, explorer, digits, image, *, truth):
        """The picture of the query, and how many of its ten nearest by pixels are wrong, by numpy."""
        shown = explorer.picture()
        np.testing.assert_allclose(shown.grey(0), image, atol=TWO_GREYS)
        distances = sse(digits.train_images.flatten(1).double().numpy(), image.ravel())
        labels = digits.train_labels.numpy()[np.argsort(distances)[:10]]
        wrong = self.n_wrong(explorer)
        assert wrong["pixels"] == (labels != truth).sum()
        assert (shown.in_colour(self.VERMILLION) > 0) == any(wrong.values())

    def check_picture_asked(self, explorer, digits, i, *, dx=0, dy=0):
        image = ndimage.shift(digits.test_images[i, 0].double().numpy(), (dy, dx), order=0)
        truth = digits.test_labels[i].item()
        assert explorer.readout().startswith(f"“{digits.class_names[truth]}”, shifted by ({dx}, {dy}): ")
        self.check_asked(explorer, digits, image, truth=truth)

    def check_framed(self, explorer, i):
        assert explorer.chooser.framed(n_columns=self.N_COLUMNS) == i

    def test_a_click_on_a_picture_asks_with_it_soon(self, explorer, digits):
        times = []
        for i in (14, 29, 15, 7, 1):
            times.append(explorer.chooser.click(i, n_columns=self.N_COLUMNS))
            self.check_picture_asked(explorer, digits, i)
            self.check_framed(explorer, i)
        assert statistics.median(times) <= MEDIAN_MS

    def test_the_chooser_shows_the_first_test_images(self, explorer, digits):
        grid = Picture.shown_by(explorer.chooser.box.locator("img")).rgb[..., 0] / 255
        expected = digits.test_images[:30, 0].view(2, 15, 28, 28).transpose(1, 2).reshape(56, 420)
        np.testing.assert_allclose(grid, expected, atol=TWO_GREYS)

    def test_arrow_keys_in_the_chooser_go_to_the_neighbour_and_stop_at_the_edge(self, notebook, explorer, digits):
        place, times = notebook.place(), []
        for key, i in (("ArrowRight", 1), ("ArrowDown", 16), ("ArrowRight", 17), ("ArrowUp", 2), ("ArrowLeft", 1),
                       ("ArrowLeft", 0)):  # fmt: skip
            times.append(explorer.chooser.press(key))
            self.check_picture_asked(explorer, digits, i)
            self.check_framed(explorer, i)
        assert statistics.median(times) <= MEDIAN_MS
        for key in ("ArrowLeft", "ArrowUp"):
            notebook.page.keyboard.press(key)
        explorer.settle()
        self.check_framed(explorer, 0)
        self.check_picture_asked(explorer, digits, 0)
        assert notebook.place() == place

    def test_the_sliders_shift_the_query(self, explorer, digits):
        explorer.chooser.click(3, n_columns=self.N_COLUMNS)
        for step in (1, 2, 3):
            explorer.slider("shift →").press("ArrowRight")
            self.check_picture_asked(explorer, digits, 3, dx=step)
        for step in (-1, -2):
            explorer.slider("shift ↓").press("ArrowLeft")
            self.check_picture_asked(explorer, digits, 3, dx=3, dy=step)
        explorer.slider("shift →").to_end()
        explorer.slider("shift ↓").to_start()
        self.check_picture_asked(explorer, digits, 3, dx=4, dy=-4)
        explorer.screenshot("ImageSearchExplorer_shifted")

    def test_each_stroke_on_the_pad_is_searched_for_soon(self, explorer):
        times = explorer.pad.draw(self.ONE)
        assert len(times) == 12
        assert statistics.median(times) <= MEDIAN_MS
        eventually(lambda: self.check_says(explorer, "a drawing, shifted by (0, 0): say what you drew"))
        eventually(lambda: self.check_one(explorer))
        self.check_framed(explorer, None)
        picture = explorer.picture()
        assert picture.in_colour(self.VERMILLION) == 0
        assert len(picture.panels) == 1 + 10 * len(self.METHODS)
        assert explorer.errors() == ""
        explorer.screenshot("ImageSearchExplorer_drawn")

    def check_says(self, explorer, *parts):
        for part in parts:
            assert part in explorer.readout()

    def check_one(self, explorer):
        """A white upright stroke in the middle, and black around it."""
        asked = explorer.picture().grey(0)
        assert asked[5:23, 13:15].min() > 0.9
        assert asked[:, :11].max() == asked[:, 17:].max() == asked[:2].max() == asked[27:].max() == 0

    def test_saying_what_was_drawn_frames_what_is_wrong(self, explorer):
        explorer.pad.draw(self.ONE)
        areas, counts = [], []
        for name in ("1", "8"):
            explorer.dropdown("I drew a").select_option(name)
            explorer.settle()
            counts.append(sum(self.n_wrong(explorer).values()))
            areas.append(explorer.picture().in_colour(self.VERMILLION))
            explorer.screenshot(f"ImageSearchExplorer_said_{name}")
        assert counts[0] < 10 < 30 < counts[1] <= 40  # an upright stroke is a 1, and no 8
        area_of_one = areas[1] / counts[1]
        assert area_of_one > 100
        assert areas[0] == pytest.approx(area_of_one * counts[0], rel=0.1)
        explorer.dropdown("I drew a").select_option("I do not say")
        eventually(lambda: self.check_says(explorer, "say what you drew"))
        eventually(lambda: self.check_no_frames(explorer))

    def check_no_frames(self, explorer):
        assert explorer.picture().in_colour(self.VERMILLION) == 0

    def test_the_button_clears_the_pad_and_the_query(self, explorer):
        explorer.pad.draw(self.ONE)
        self.check_one(explorer)
        explorer.pad.clear()
        assert explorer.picture().grey(0).max() == 0
        ink = explorer.pad.box.evaluate(
            "pad => pad.getContext('2d').getImageData(0, 0, pad.width, pad.height).data.filter((v, i) => i % 4 < 3)"
            ".reduce((a, b) => Math.max(a, b), 0)"
        )
        assert ink == 0

    def test_a_tap_on_the_pad_is_a_dot(self, explorer):
        explorer.pad.box.click()
        explorer.settle()
        assert explorer.picture().grey(0).max() > 0.5

    def test_a_fast_stroke_ends_at_what_was_drawn(self, explorer):
        box, mouse = explorer.pad.box.bounding_box(), explorer.page.mouse
        x, top, bottom = box["x"] + box["width"] / 2, box["y"] + box["height"] / 7, box["y"] + box["height"] * 6 / 7
        mouse.move(x, top)
        mouse.down()
        mouse.move(x, bottom, steps=200)
        mouse.up()
        eventually(lambda: self.check_one(explorer))

    def test_after_a_drawing_a_click_asks_with_a_picture_again(self, explorer, digits):
        explorer.pad.draw(self.ONE)
        self.check_framed(explorer, None)
        explorer.chooser.click(5, n_columns=self.N_COLUMNS)
        self.check_picture_asked(explorer, digits, 5)
        self.check_framed(explorer, 5)

    def test_an_error_in_a_callback_is_shown_below_the_picture_and_the_pad_goes_on(self, notebook, explorer):
        notebook.execute("""
            _update = ImageSearchExplorer.update
            def _fails(self):
                raise RuntimeError("deliberate")
            ImageSearchExplorer.update = _fails
        """)
        try:
            explorer.pad.box.click(position={"x": 30, "y": 30})
            eventually(lambda: self.check_errors(explorer, "RuntimeError: deliberate"))
            explorer.screenshot("ImageSearchExplorer_error")
        finally:
            notebook.execute("ImageSearchExplorer.update = _update")
        explorer.pad.clear()
        explorer.pad.draw(self.ONE)
        eventually(lambda: self.check_errors(explorer, ""))
        eventually(lambda: self.check_one(explorer))

    def check_errors(self, explorer, text):
        assert (text in explorer.errors()) if text else (explorer.errors() == "")


class TestPretraining(EveryNotebook):
    NOTEBOOK = "05_pretraining"
    WIDGETS: ClassVar = {"LabelBudgetExplorer": ("labels",), "PretrainingStepper": ("step",)}
    KINDS = ("train", "freeze", "transform")
    LAST = 10  # three steps for each of three stages, and the head

    @pytest.fixture
    def measured(self):
        """The labels, and start → mean test errors."""
        columns = {name: means for name, (means, _) in series("denoising-pretraining-helps-relus", "quick").items()}
        return [round(n) for n in columns.pop("labels")], columns

    @pytest.fixture
    def explorer(self, notebook, measured):
        """The fewest labels, compared with the first start."""
        widget = notebook.widget("LabelBudgetExplorer")
        widget.slider("labels").to_start()
        widget.dropdown("compared with").select_option(next(iter(measured[1])))
        widget.settle()
        return widget

    @pytest.fixture
    def stepper(self, notebook):
        widget = notebook.widget("PretrainingStepper")
        widget.slider("step").to_start()
        return widget

    def check_drawn(self, picture):
        """What is trained or measured: bars and curves, layers and losses."""
        for colour in COLOURS[:2]:
            assert picture.in_colour(colour) > 30  # where curves lie on each other's bands, few pixels are pure

    def check_budget(self, explorer, measured, *, i, reference="random"):
        """Numbers and bars are those that were measured."""
        labels, columns = measured
        assert explorer.slider("labels").value == f"{labels[i]:,}"
        head = f"{labels[i]:,} labels, against {reference} ({columns[reference][i]:.1f} %):"
        lines = explorer.readout().splitlines()
        assert lines[0] == head
        assert len(lines) == len(columns)
        others = [name for name in columns if name != reference]
        for line, name in zip(lines[1:], others, strict=True):
            points = float(line.removeprefix(f"{name} ").partition(" points")[0].replace("−", "-"))
            assert points == pytest.approx(columns[name][i] - columns[reference][i], abs=0.051)
        picture = explorer.picture()
        paler = [to_hex(0.75 * np.array(to_rgb(COLOURS[j])) + 0.25) for j in range(len(columns))]
        widths = np.array([picture.columns_in(colour, at_least=10) for colour in paler])
        means = np.array([column[i] for column in columns.values()])
        np.testing.assert_allclose(widths / widths.max(), means / means.max(), atol=0.03)

    def test_text_and_bars_follow_the_labels(self, explorer, measured):
        self.check_budget(explorer, measured, i=0)
        for i in range(1, len(measured[0])):
            explorer.slider("labels").press("ArrowRight")
            self.check_budget(explorer, measured, i=i)
        explorer.screenshot("LabelBudgetExplorer_all")
        explorer.slider("labels").drag(to=0)
        eventually(lambda: self.check_budget(explorer, measured, i=0))

    def test_what_is_compared_with_is_chosen_and_only_the_dashed_line_moves(self, explorer, measured):
        dropdown, before, times = explorer.dropdown("compared with"), explorer.picture(), []
        for name in [*measured[1]][1:]:
            choose = partial(dropdown.select_option, name)
            times.append(explorer.timed(choose, event="change", kind="dropdown"))
            self.check_budget(explorer, measured, i=0, reference=name)
            changed = explorer.picture().changed_from(before)
            assert 0 < changed.any(axis=0).sum() < 12  # columns: of two thin lines
        assert statistics.median(times) <= MEDIAN_MS
        explorer.screenshot("LabelBudgetExplorer_compared")

    def check_step(self, stepper, step):
        stage, kind = (step - 1) // 3 + 1, self.KINDS[(step - 1) % 3]
        head = {0: "The untouched net", self.LAST: "Add the head:"}.get(step, f"Stage {stage} of 3, {kind}:")
        assert stepper.readout().startswith(head)
        assert stepper.slider("step").value == str(step)

    def test_the_button_goes_from_step_to_step_and_stays_at_the_last(self, stepper):
        pictures, times = [stepper.picture()], []
        for step in range(1, self.LAST + 1):
            times.append(stepper.click("next ▶"))
            self.check_step(stepper, step)
            pictures.append(stepper.picture())
            assert all(pictures[-1].changed_from(earlier).any() for earlier in pictures[:-1])
            stepper.screenshot(f"PretrainingStepper_{step}")
        assert statistics.median(times) <= MEDIAN_MS
        stepper.button("next ▶").click()
        stepper.settle()
        self.check_step(stepper, self.LAST)
        stepper.click("start again")
        self.check_step(stepper, 0)
        assert not stepper.picture().changed_from(pictures[0]).any()

    def test_a_key_on_the_button_is_one_step_and_does_not_reach_the_notebook(self, notebook, stepper):
        place = notebook.place()
        for step, key in enumerate(("Enter", "Space", "Enter"), start=1):
            stepper.button("next ▶").focus()
            stepper.timed(partial(notebook.page.keyboard.press, key), event="keydown", kind="key on a button")
            stepper.settle()
            self.check_step(stepper, step)
        assert notebook.place() == place

    def test_the_slider_goes_to_any_step_and_the_button_goes_on_from_there(self, stepper):
        stepper.slider("step").drag(to=0.5)
        eventually(lambda: self.check_step(stepper, 5))
        stepper.click("next ▶")
        self.check_step(stepper, 6)
        assert stepper.errors() == ""


class TestCNNAutoencoder(EveryNotebook):
    NOTEBOOK = "06_cnn_autoencoder"
    WIDGETS: ClassVar = {
        "UnpoolingStepper": ("step",), "DeconvolutionStepper": ("stride", "output t"),
        "PositionsExplorer": ("digit A", "digit B"),
    }  # fmt: skip
    PLANE = ((1, 3, 2, 0), (0, 5, 7, 4), (6, 2, 1, 8), (3, 5, 0, 8))
    PLACES = ("top left", "top right", "bottom left", "bottom right")

    @pytest.fixture
    def unpooling(self, notebook):
        """The notebook's plane, at step 0, with positions."""
        widget = notebook.widget("UnpoolingStepper")
        self.fill(widget, np.ravel(self.PLANE))
        widget.button("positions").click()
        widget.settle()
        widget.slider("step").to_start()
        return widget

    @pytest.fixture
    def deconvolution(self, notebook):
        """Input 1, 2, 3, kernel 4, 5, 6, stride 1, output 0."""
        widget = notebook.widget("DeconvolutionStepper")
        self.fill(widget, (1, 2, 3, 4, 5, 6))
        widget.slider("stride").to_start()
        widget.slider("output t").to_start()
        return widget

    @pytest.fixture
    def positions(self, notebook):
        """Digits 0 and 1."""
        widget = notebook.widget("PositionsExplorer")
        widget.slider("digit A").to_start()
        widget.slider("digit B").to_start()
        widget.slider("digit B").press("ArrowRight")
        return widget

    def fill(self, widget: WidgetView, numbers) -> None:
        for field, number in zip(widget.number_fields, numbers, strict=True):
            if field.value != str(number):
                field.type(str(number))

    def check_drawn(self, picture):
        """The frame of this step, or pictures."""
        assert picture.panels or picture.in_colour(COLOURS[1]) > 100

    def check_says(self, widget, *parts):
        for part in parts:
            assert part in widget.readout()

    # -------------------------------------------------------------------------------------------------- max-unpooling

    def check_unpooling(self, widget, *, step, by_positions=True, plane=PLANE):
        """The text names the cell's largest number and where it was, and at the end what was lost."""
        cells = np.reshape(plane, (2, 2, 2, 2)).swapaxes(1, 2).reshape(4, 4)
        assert widget.slider("step").value == str(step)
        cell = cells[(step - 1) % 4]
        place = cell.argmax()
        parts = [f"cell {(step - 1) % 4 + 1} of 4: "]
        if step <= 4:
            parts += [f"the largest is {cell.max()}"]
            parts += [f"at place {place} ({self.PLACES[place]})"] if by_positions else ["its place is not recorded"]
        elif by_positions:
            parts += [f"{cell.max()} goes back to place {place} ({self.PLACES[place]})"]
        else:
            parts += [f"{cell.max()} fills the cell"]
        if step == 8:
            largest = cells.max(axis=1, keepdims=True)
            kept = largest * (np.arange(4) == cells.argmax(axis=1)[:, None]) if by_positions else largest
            parts += [f"sum to {((cells - kept) ** 2).sum()}.", "8 bits" if by_positions else "0 bits"]
        self.check_says(widget, *parts)

    def test_the_text_follows_the_steps_and_the_way_up(self, unpooling):
        pictures = [unpooling.picture()]
        for step in range(1, 9):
            unpooling.slider("step").press("ArrowRight")
            self.check_unpooling(unpooling, step=step)
            pictures.append(unpooling.picture())
            assert pictures[-1].changed_from(pictures[-2]).any()
        unpooling.screenshot("UnpoolingStepper_positions")
        times = [unpooling.click("repeat")]
        self.check_unpooling(unpooling, step=8, by_positions=False)
        unpooling.screenshot("UnpoolingStepper_repeat")
        unpooling.slider("step").drag(to=0.25)
        eventually(lambda: self.check_unpooling(unpooling, step=2, by_positions=False))
        times.append(unpooling.click("positions"))
        self.check_unpooling(unpooling, step=2)
        assert not unpooling.picture().changed_from(pictures[2]).any()
        assert statistics.median(times) <= MEDIAN_MS

    def test_each_field_changes_the_number_that_stands_where_the_field_does(self, unpooling):
        before, times = unpooling.picture(), []
        boxes = [field.box.bounding_box() for field in unpooling.number_fields]
        assert len({box["x"] for box in boxes}) == len({box["y"] for box in boxes}) == 4
        assert boxes == sorted(boxes, key=lambda box: (box["y"], box["x"]))
        scale = before.rgb.shape[1] / 16.8  # pixels a square of the picture
        for i, field in enumerate(unpooling.number_fields):
            there, back = ("ArrowUp", "ArrowDown") if field.value != "9" else ("ArrowDown", "ArrowUp")
            times.append(field.press(there))
            rows, columns = unpooling.picture().changed_from(before).nonzero()
            row, column = divmod(i, 4)
            assert columns.mean() / scale == pytest.approx(0.7 + column + 0.15 * (column // 2), abs=0.2)
            assert rows.mean() / scale == pytest.approx(1.45 + row + 0.15 * (row // 2), abs=0.2)
            times.append(field.press(back))
        assert not unpooling.picture().changed_from(before).any()
        assert statistics.median(times) <= MEDIAN_MS

    def test_a_number_that_is_typed_is_pooled_and_one_beyond_9_becomes_9(self, notebook, unpooling):
        place = notebook.place()
        unpooling.slider("step").to_end()
        plane = np.array(self.PLANE)
        times = []
        for i, text in ((0, "8"), (10, "9"), (15, "12")):
            field = unpooling.number_fields[i]
            times.append(field.type(text))
            plane[i // 4, i % 4] = min(9, int(text))
            assert field.value == str(plane[i // 4, i % 4])
            self.check_unpooling(unpooling, step=8, plane=plane)
        assert statistics.median(times) <= MEDIAN_MS
        unpooling.number_fields[3].write("")  # no number: the old one comes back
        eventually(lambda: self.check_field(unpooling.number_fields[3], "0"))
        for key in "ddbx1":  # which delete a cell, make one, or make it text, where they reach the notebook
            unpooling.number_fields[3].box.press(key)
        unpooling.number_fields[3].write("0")
        assert notebook.place() == place
        assert notebook.widget_classes() == list(self.WIDGETS)
        self.check_unpooling(unpooling, step=8, plane=plane)
        assert unpooling.errors() == ""

    def check_field(self, field, text):
        assert field.value == text

    def check_picture(self, view, expected):
        assert not view.picture().changed_from(expected).any()

    def test_play_goes_on_from_where_the_slider_stands_and_stop_goes_back(self, unpooling):
        unpooling.slider("step").to_end()
        expected = unpooling.picture()
        unpooling.slider("step").press("ArrowLeft", times=2)
        unpooling.player.play_or_pause.click()
        for step in (7, 8):
            eventually(partial(self.check_unpooling, unpooling, step=step))
        eventually(lambda: self.check_picture(unpooling, expected))  # the browser may be drawing it still
        unpooling.timed(unpooling.player.stop.click, event="click", kind="stop")
        self.check_says(unpooling, "The input: 16 numbers")
        assert unpooling.slider("step").value == "0"

    # -------------------------------------------------------------------------------------------------- deconvolution

    def check_output(self, widget, *, x=(1, 2, 3), kernel=(4, 5, 6), stride=1, t):
        """The text says the output by both computations, or after the last one that they agree."""
        spread = np.zeros((len(x) - 1) * stride + 1, dtype=int)
        spread[::stride] = x
        outputs = np.convolve(spread, kernel)
        assert widget.slider("output t").value == str(t)
        assert widget.slider("output t").position()[2] == len(outputs)
        if t == len(outputs):
            self.check_says(widget, f"all {t} outputs by both computations: they agree ({t} of {t} are equal)")
        else:
            self.check_says(widget, f"output {t}: stamps")
            assert re.findall(r"= (−?\d+)", widget.readout()) == [f"{outputs[t]}".replace("-", "−")] * 2

    def test_the_text_follows_the_output_the_stride_and_the_numbers(self, deconvolution):
        for t in range(5):
            self.check_output(deconvolution, t=t)
            deconvolution.slider("output t").press("ArrowRight")
        self.check_output(deconvolution, t=5)
        deconvolution.slider("output t").press("ArrowLeft", times=3)
        for stride in (2, 3):
            deconvolution.slider("stride").press("ArrowRight")
            self.check_output(deconvolution, t=2, stride=stride)
        numbers, times = [1, 2, 3, 4, 5, 6], []
        texts = ("-7", "9", "0", "-2", "1", "-15")
        for i, (field, text) in enumerate(zip(deconvolution.number_fields, texts, strict=True)):
            times.append(field.type(text))
            numbers[i] = max(-9, int(text))
            self.check_output(deconvolution, x=numbers[:3], kernel=numbers[3:], stride=3, t=2)
            assert field.value == str(numbers[i])
        assert statistics.median(times) <= MEDIAN_MS
        deconvolution.slider("output t").drag(to=1)
        eventually(lambda: self.check_output(deconvolution, x=numbers[:3], kernel=numbers[3:], stride=3, t=9))
        deconvolution.screenshot("DeconvolutionStepper_changed")
        assert deconvolution.errors() == ""

    def test_a_smaller_stride_takes_the_outputs_that_there_are_no_longer(self, deconvolution):
        deconvolution.slider("output t").to_end()
        five = deconvolution.picture()
        deconvolution.slider("stride").to_end()
        deconvolution.slider("output t").drag(to=1)  # the key End goes to where the slider ended at first
        eventually(lambda: self.check_output(deconvolution, stride=3, t=9))
        deconvolution.slider("stride").to_start()
        eventually(lambda: self.check_output(deconvolution, t=5))
        deconvolution.settle()
        assert not deconvolution.picture().changed_from(five).any()

    def test_play_goes_on_to_the_last_output_of_the_stride_and_can_be_paused(self, deconvolution):
        deconvolution.slider("output t").to_end()
        deconvolution.slider("stride").press("ArrowRight")
        self.check_output(deconvolution, stride=2, t=5)
        deconvolution.slider("output t").press("ArrowLeft", times=3)
        play = deconvolution.player.play_or_pause
        play.click()
        eventually(lambda: self.check_output(deconvolution, stride=2, t=3))
        play.click()
        deconvolution.settle()
        paused = int(deconvolution.slider("output t").value)  # on a busy machine a step further
        deconvolution.page.wait_for_timeout(1500)  # longer than from one step to the next
        assert 3 <= paused < 7
        self.check_output(deconvolution, stride=2, t=paused)
        play.click()
        eventually(lambda: self.check_output(deconvolution, stride=2, t=7))
        deconvolution.timed(deconvolution.player.stop.click, event="click", kind="stop")
        self.check_output(deconvolution, stride=2, t=0)

    # ------------------------------------------------------------------------------------------------------ positions

    def check_pair(self, widget, digits, *, a, b):
        """The digits are A and B, and the errors are those of the pictures shown, as far as greys go."""
        x = digits.test_images[:40, 0].double().numpy()
        assert (widget.slider("digit A").value, widget.slider("digit B").value) == (str(a), str(b))
        picture = widget.picture()
        assert len(picture.panels) == 7
        for panel, i in ((0, a), (1, b)):
            np.testing.assert_allclose(picture.grey(panel), x[i], atol=TWO_GREYS)
        for panel, words in ((2, "with its own positions"), (3, "with B's"), (5, "with shuffled ones")):
            shown = sse(picture.grey(panel).ravel(), x[a].ravel())
            assert widget.number(words) == pytest.approx(shown, rel=0.05, abs=0.2)

    def test_pictures_and_errors_follow_both_digits(self, positions, digits):
        self.check_pair(positions, digits, a=0, b=1)
        own = positions.number("with its own positions")
        positions.slider("digit B").press("ArrowRight", times=2)
        self.check_pair(positions, digits, a=0, b=3)
        assert positions.number("with its own positions") == own
        positions.slider("digit A").press("ArrowRight", times=3)
        self.check_pair(positions, digits, a=3, b=3)
        assert positions.number("with its own positions") == positions.number("with B's")
        positions.slider("digit A").drag(to=1)
        eventually(lambda: self.check_pair(positions, digits, a=39, b=3))
        positions.screenshot("PositionsExplorer_last")
        assert positions.errors() == ""


def decibels(image: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio, white being 1."""
    return -10 * np.log10(np.square(image - clean).mean())


class TestDenoising(EveryNotebook):
    NOTEBOOK = "07_denoising"
    WIDGETS: ClassVar = {"DenoisingExplorer": ("level", "digit no.", "noise no.")}
    NETS = ("all three kinds", "Gaussian 0.5 alone", "no noise")
    LEVELS: ClassVar = {
        "Gaussian": ("0.1", "0.2", "0.35", "0.5", "0.7", "1.0"), "masking": ("0.0", "0.1", "0.3", "0.5", "0.7", "0.9"),
        "salt and pepper": ("0.0", "0.05", "0.15", "0.3", "0.45", "0.6"),
    }  # fmt: skip
    ONE = tuple((14.0, y) for y in np.linspace(4, 24, 9))

    @pytest.fixture
    def explorer(self, notebook):
        """Digit 0 with Gaussian noise of 0.5, the first that is drawn, the net that has met all kinds, an empty pad."""
        widget = notebook.widget("DenoisingExplorer")
        for description, name in (("net", self.NETS[0]), ("noise", "Gaussian")):
            widget.dropdown(description).select_option(name)
        widget.pad.clear()
        for description in ("digit no.", "noise no."):
            widget.slider(description).to_start()
        self.go_to_level(widget, 3)
        return widget

    def go_to_level(self, explorer: WidgetView, place: int) -> None:
        steps = place - int(explorer.slider("level").position()[1])
        explorer.slider("level").press("ArrowRight" if steps > 0 else "ArrowLeft", times=abs(steps))

    def check(self, explorer, image, *, what="digit no. 0", kind="Gaussian", place=3):
        """The decibels of noisy image, net and filter are those of the pictures, and the verdict is theirs."""
        level, text = self.LEVELS[kind][place], explorer.readout()
        assert explorer.slider("level").value == level
        assert re.match(rf"{what}, {kind} noise, [a-z ]+ {float(level):g}: noisy ", text)
        picture = explorer.picture()
        clean, *spoilt = (picture.grey(panel) for panel in range(4))
        np.testing.assert_allclose(clean, image, atol=TWO_GREYS)
        *said, gain = (float(number) for number in re.findall(r"(\d+\.\d+) dB", text))
        # Greys are rounded down, which counts where there is little noise.
        assert said == pytest.approx([decibels(shown, image) for shown in spoilt], abs=0.15)
        assert gain == pytest.approx(abs(said[1] - said[2]), abs=2 * TWO_DECIMALS)
        assert f"The {'net' if said[1] > said[2] else 'filter'} is better by" in text
        assert ("Neither is better" in text) == (said[0] >= max(said[1:]))
        return said

    def test_more_noise_is_fewer_decibels_and_the_net_is_the_better_where_it_was_trained(
        self, explorer, digits, trained
    ):
        x, said = digits.test_images[0, 0].double().numpy(), []
        explorer.slider("level").to_start()
        for place in range(6):
            said.append(self.check(explorer, x, place=place))
            explorer.screenshot(f"DenoisingExplorer_{place}")
            if place < 5:
                explorer.slider("level").press("ArrowRight")
        noisy, net, by_filter = np.transpose(said)
        assert (np.diff(noisy) < -1).all()
        assert (np.diff(by_filter) < 0).all()
        assert by_filter[3] > noisy[3] + 3
        assert net[3] > by_filter[3] or not trained  # what it was trained on
        assert by_filter[0] > noisy[0] > net[0]  # the net redraws the digit, whatever there is to see

    def test_text_and_pictures_follow_the_digit_and_the_noise(self, explorer, digits, trained):
        x = digits.test_images[:50, 0].double().numpy()
        better = []
        for i in range(1, 6):
            explorer.slider("digit no.").press("ArrowRight")
            _, net, by_filter = self.check(explorer, x[i], what=f"digit no. {i}")
            better.append(net > by_filter)
        assert sum(better) >= 3 or not trained
        first = explorer.picture()
        explorer.slider("noise no.").press("ArrowRight")
        self.check(explorer, x[5], what="digit no. 5")
        other = explorer.picture()
        assert np.abs(other.grey(1) - first.grey(1)).mean() > 0.1
        explorer.slider("noise no.").press("ArrowLeft")
        assert not explorer.picture().changed_from(first).any()  # the same noise again
        explorer.slider("digit no.").drag(to=1)
        eventually(lambda: self.check(explorer, x[49], what="digit no. 49"))
        assert explorer.errors() == ""

    def test_each_kind_of_noise_does_what_its_name_says_and_has_levels_of_its_own(self, explorer, digits):
        x, times = digits.test_images[0, 0].double().numpy(), []
        for kind in ("masking", "salt and pepper", "Gaussian", "masking", "salt and pepper"):
            choose = partial(explorer.dropdown("noise").select_option, kind)
            times.append(explorer.timed(choose, event="change", kind="dropdown"))
            explorer.settle()
            self.check(explorer, x, kind=kind)
            noisy = explorer.picture().grey(1)
            changed = np.abs(noisy - x) > TWO_GREYS
            if kind == "masking":
                assert 0.3 < changed[x > 0.1].mean() < 0.7
                assert noisy[changed].max() == 0
            elif kind == "salt and pepper":
                assert 0.1 < changed.mean() < 0.3  # of the 30 %, some were black or white already
                assert set(noisy[changed]) == {0, 1}
        assert statistics.median(times) <= MEDIAN_MS
        explorer.slider("level").press("ArrowRight")
        self.check(explorer, x, kind="salt and pepper", place=4)
        explorer.slider("level").to_start()
        assert explorer.slider("level").value == "0.0"
        assert "noisy exact, " in explorer.readout()
        assert "There is no noise" in explorer.readout()
        picture = explorer.picture()
        np.testing.assert_array_equal(picture.grey(1), picture.grey(0))
        explorer.screenshot("DenoisingExplorer_no_noise")

    def test_another_net_changes_its_own_picture_and_the_text(self, explorer, digits, trained):
        x, before, times = digits.test_images[0, 0].double().numpy(), explorer.picture(), []
        of_nets = {self.NETS[0]: self.check(explorer, x)[1]}
        for name in self.NETS[1:]:
            choose = partial(explorer.dropdown("net").select_option, name)
            times.append(explorer.timed(choose, event="change", kind="dropdown"))
            explorer.settle()
            of_nets[name] = self.check(explorer, x)[1]
            assert f"net “{name}”" in explorer.readout()
            changed = explorer.picture().changed_from(before)
            for panel, (rows, columns) in enumerate(before.panels):
                assert changed[rows, columns].any() == (panel == 2)
        assert statistics.median(times) <= MEDIAN_MS
        if trained:
            assert min(of_nets[name] for name in self.NETS[:2]) > of_nets["no noise"] + 3  # it has learnt to copy

    def check_drawing(self, explorer):
        """The clean image is a white upright stroke in the middle, and noise is added to that."""
        drawn = explorer.picture().grey(0)
        assert drawn[5:23, 13:15].min() > 0.9
        assert drawn[:, :11].max() == drawn[:, 17:].max() == drawn[:2].max() == drawn[27:].max() == 0
        self.check(explorer, drawn, what="your drawing")

    def test_each_stroke_on_the_pad_is_spoilt_and_restored_soon(self, notebook, explorer, digits):
        x, before = digits.test_images[:2, 0].double().numpy(), explorer.picture()
        times = explorer.pad.draw(self.ONE)
        assert statistics.median(times) <= MEDIAN_MS
        eventually(lambda: self.check_drawing(explorer))
        explorer.screenshot("DenoisingExplorer_drawn")
        assert "Clear the pad" in explorer.readout()
        explorer.slider("noise no.").press("ArrowRight")  # the drawing stays
        self.check_drawing(explorer)
        explorer.slider("noise no.").press("ArrowLeft")
        explorer.pad.clear()
        self.check(explorer, x[0])
        assert not explorer.picture().changed_from(before).any()

    def test_another_digit_takes_the_drawing_s_place(self, explorer, digits):
        explorer.pad.draw(self.ONE)
        eventually(lambda: self.check_drawing(explorer))
        explorer.slider("digit no.").press("ArrowRight")
        self.check(explorer, digits.test_images[1, 0].double().numpy(), what="digit no. 1")
        assert explorer.errors() == ""


class TestGeneration(EveryNotebook):
    NOTEBOOK = "08_generation"
    N_CODES = 10
    WIDGETS: ClassVar = {
        "PlaneExplorer": (), "CodeSliders": ("digit no.", *(f"number {i}" for i in range(1, N_CODES + 1))),
    }  # fmt: skip
    MODELS = ("plain", "penalised", "variational")
    N_TILES = 14

    @pytest.fixture
    def explorer(self, notebook):
        """The plain model's codes, the cross in the middle."""
        notebook.page.mouse.move(0, 0)  # what scrolls below the mouse would follow it
        widget = notebook.widget("PlaneExplorer")
        widget.dropdown("model").select_option(self.MODELS[0])
        widget.button("codes").click()
        widget.plane.box.scroll_into_view_if_needed()
        notebook.page.mouse.move(*widget.plane.on_screen(0.5, 0.5))
        widget.settle()
        return widget

    @pytest.fixture
    def sliders(self, notebook):
        """The code of digit 0."""
        widget = notebook.widget("CodeSliders")
        widget.slider("digit no.").to_start()
        for key in ("ArrowRight", "ArrowLeft"):  # another digit and back: only that sets the numbers
            widget.slider("digit no.").press(key)
        return widget

    # ---------------------------------------------------------------------------------------------------------- plane

    def code(self, explorer: WidgetView) -> np.ndarray:
        """The code that the text says."""
        found = re.search(r"z = \((−?[\d.]+), (−?[\d.]+)\)", explorer.readout())
        return np.array([float(number.replace("−", "-")) for number in found.groups()])

    def check_nearest(self, explorer, digits):
        """What is shown as the nearest is an image of the class that is said; returns how many codes are near."""
        name = re.search("the nearest is of a “(.)”", explorer.readout())[1]
        x = digits.test_images[digits.test_labels == int(name), 0].double().numpy()
        differences = np.abs(x - explorer.picture().grey(1)).max(axis=(1, 2))
        assert differences.min() <= TWO_GREYS
        assert "of 1,000, the nearest" in explorer.readout()
        return explorer.number("of the plane's width):")

    def check_at(self, explorer, u, v):
        assert explorer.plane.cross() == pytest.approx((u, v), abs=0.003)

    def test_digit_and_text_follow_the_pointer(self, explorer, digits):
        middle, pictures, times, codes, n_near = self.code(explorer), [explorer.picture()], [], {}, {}
        for place in ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.4, 0.5), (0.45, 0.5), (0.5, 0.45), (0.5, 0.6), (0.6, 0.6)):
            times.append(explorer.plane.point(*place))
            explorer.settle()
            self.check_at(explorer, *place)
            pictures.append(explorer.picture())
            assert all(pictures[-1].changed_from(earlier).any() for earlier in pictures[:-1])
            codes[place], n_near[place] = self.code(explorer), self.check_nearest(explorer, digits)
        assert statistics.median(times) <= MEDIAN_MS
        width = (codes[0.9, 0.1] - codes[0.1, 0.1])[0] / 0.8
        assert width > 1
        for place, z in codes.items():
            np.testing.assert_allclose(z - middle, width * (np.array(place) - 0.5), atol=0.02 + 0.002 * width)
        assert max(n_near.values()) > 5  # the codes are in the middle rather than in the corners
        assert min(n_near.values()) == 0
        explorer.screenshot("PlaneExplorer_pointed")
        assert explorer.errors() == ""

    def test_arrow_keys_move_the_cross_and_shift_moves_it_faster_as_far_as_the_edge(self, notebook, explorer, digits):
        place, times, expected = notebook.place(), [], np.array([0.5, 0.5])
        for key, du, dv in (("ArrowRight", 0.02, 0), ("ArrowUp", 0, 0.02), ("ArrowLeft", -0.02, 0),
                            ("ArrowDown", 0, -0.02), ("Shift+ArrowUp", 0, 0.1), ("Shift+ArrowRight", 0.1, 0),
                            ("ArrowRight", 0.02, 0), ("Shift+ArrowLeft", -0.1, 0)):  # fmt: skip
            before = self.code(explorer)
            times.append(explorer.plane.press(key))
            explorer.settle()
            expected += (du, dv)
            self.check_at(explorer, *expected)
            assert (np.sign((self.code(explorer) - before).round(2)) == np.sign([du, dv])).all()
        self.check_nearest(explorer, digits)
        assert statistics.median(times) <= MEDIAN_MS
        for _ in range(6):
            notebook.page.keyboard.press("Shift+ArrowUp")
        explorer.settle()
        self.check_at(explorer, 0.52, 1)
        for key in "ArrowUp", "Shift+ArrowUp":
            notebook.page.keyboard.press(key)
        explorer.settle()
        self.check_at(explorer, 0.52, 1)
        assert notebook.place() == place

    def test_beside_the_plane_nothing_is_asked_unless_a_drag_began_on_it(self, explorer):
        mouse, plane, before = explorer.page.mouse, explorer.plane, explorer.readout()
        mouse.move(*plane.on_screen(-0.05, 0.8))
        explorer.settle()
        assert explorer.readout() == before
        self.check_at(explorer, 0.5, 0.5)
        mouse.move(*plane.on_screen(0.3, 0.8))
        mouse.down()
        mouse.move(*plane.on_screen(-0.05, 0.8), steps=50)
        mouse.up()
        explorer.settle()
        self.check_at(explorer, 0, 0.8)
        dragged = self.code(explorer)
        mouse.move(*plane.on_screen(0.5, 0.8))
        explorer.settle()
        assert (self.code(explorer) - dragged)[0] > 0.5
        assert self.code(explorer)[1] == pytest.approx(dragged[1], abs=0.05)

    def test_another_model_has_another_plane_and_another_digit_at_the_same_place(self, explorer, digits):
        before, plane, times = explorer.picture(), explorer.plane.picture(), []
        codes, planes = {self.MODELS[0]: self.code(explorer)}, [plane]
        for name in self.MODELS[1:]:
            choose = partial(explorer.dropdown("model").select_option, name)
            explorer.timed(choose, event="change", kind="first choice of a model")  # its plane is drawn
            explorer.settle()
            eventually(lambda: self.check_other_plane(explorer, planes[-1]))
            planes.append(explorer.plane.picture())
            self.check_at(explorer, 0.5, 0.5)
            self.check_nearest(explorer, digits)
            codes[name] = self.code(explorer)
            explorer.screenshot(f"PlaneExplorer_{name}")
        for name in (*self.MODELS, self.MODELS[0]):
            choose = partial(explorer.dropdown("model").select_option, name)
            times.append(explorer.timed(choose, event="change", kind="dropdown"))
            explorer.settle()
            assert self.code(explorer).tolist() == codes[name].tolist()
        assert len({tuple(z) for z in codes.values()}) == len(self.MODELS)
        assert statistics.median(times) <= MEDIAN_MS
        assert not explorer.picture().changed_from(before).any()
        eventually(lambda: self.check_plane(explorer, plane))

    def check_other_plane(self, explorer, plane):
        assert (explorer.plane.picture() != plane).any(axis=2).mean() > 0.02

    def check_plane(self, explorer, plane):
        np.testing.assert_array_equal(explorer.plane.picture(), plane)

    def test_an_overlay_changes_the_plane_and_nothing_beside_it(self, explorer):
        before, text = explorer.picture(), explorer.readout()
        planes = {"codes": explorer.plane.picture()}
        for name in ("density", "holes", "digits"):
            explorer.button(name).click()
            eventually(partial(self.check_other_plane, explorer, [*planes.values()][-1]))
            planes[name] = explorer.plane.picture()
            assert explorer.readout() == text
            assert not explorer.picture().changed_from(before).any()
            self.check_at(explorer, 0.5, 0.5)
            explorer.screenshot(f"PlaneExplorer_{name}")
        # In the middle of a tile, what is decoded is the tile; the map is bluer where more codes are near.
        n_near, blueness = [], []
        for row, column in ((0, 0), (6, 7), (7, 6), (10, 7), (7, 13)):
            explorer.plane.point((column + 0.5) / self.N_TILES, 1 - (row + 0.5) / self.N_TILES)
            explorer.settle()
            area = slice(28 * row, 28 * row + 28), slice(28 * column, 28 * column + 28)
            np.testing.assert_allclose(explorer.picture().grey(0), planes["digits"][area][..., 0], atol=0.1)
            n_near.append(explorer.number("of the plane's width):"))
            blueness.append(1 - planes["density"][area][13:15, 13:15, 0].mean())
        assert np.corrcoef(np.sqrt(n_near), blueness)[0, 1] > 0.9
        explorer.button("codes").click()
        eventually(lambda: self.check_plane(explorer, planes["codes"]))
        assert explorer.errors() == ""

    # -------------------------------------------------------------------------------------------------------- sliders

    def check_decoded(self, sliders, digits, *, i, what):
        """Digit i, and what is said of its distance from the picture beside it."""
        x = digits.test_images[i, 0].double().numpy()
        assert sliders.readout().startswith(f"{what}: SSE to digit no. {i} ")
        picture = sliders.picture()
        np.testing.assert_allclose(picture.grey(0), x, atol=TWO_GREYS)
        shown = sse(picture.grey(1).ravel(), x.ravel())
        assert sliders.number(f"SSE to digit no. {i}") == pytest.approx(shown, rel=0.02, abs=0.1)

    def values(self, sliders: WidgetView) -> list[str]:
        return [sliders.slider(f"number {i}").value for i in range(1, self.N_CODES + 1)]

    def test_the_digit_sets_every_slider_to_its_code(self, sliders, digits):
        self.check_decoded(sliders, digits, i=0, what="the code of digit no. 0")
        values, pictures = [self.values(sliders)], [sliders.picture()]
        for i in (1, 2, 3):
            sliders.slider("digit no.").press("ArrowRight")
            sliders.settle()
            self.check_decoded(sliders, digits, i=i, what=f"the code of digit no. {i}")
            values.append(self.values(sliders))
            pictures.append(sliders.picture())
            length = np.linalg.norm([float(value.replace("−", "-")) for value in values[-1]])
            assert sliders.number("the code's length being") == pytest.approx(length, rel=0.03)  # a slider has steps
        assert len({tuple(numbers) for numbers in values}) == 4
        sliders.slider("digit no.").press("Home")
        sliders.settle()
        assert self.values(sliders) == values[0]
        assert not sliders.picture().changed_from(pictures[0]).any()
        sliders.slider("digit no.").drag(to=1)  # no slider may answer the code of a digit that has gone by
        eventually(lambda: self.check_decoded(sliders, digits, i=49, what="the code of digit no. 49"))
        sliders.settle()
        self.check_decoded(sliders, digits, i=49, what="the code of digit no. 49")

    def test_a_slider_changes_its_own_number_and_the_decoded_picture(self, sliders, digits):
        values, before = self.values(sliders), sliders.picture()
        smallest, now, largest = sliders.slider("number 3").position()
        sliders.slider("number 3").press("PageDown" if now - smallest > largest - now else "PageUp", times=3)
        sliders.settle()
        self.check_decoded(sliders, digits, i=0, what="the code of digit no. 0, moved")
        assert [a == b for a, b in zip(values, self.values(sliders), strict=True)] == [i != 2 for i in range(10)]
        changed = sliders.picture().changed_from(before)
        first, second = (changed[rows, columns] for rows, columns in before.panels)
        assert not first.any()
        assert second.mean() > 0.05
        sliders.slider("number 10").drag(to=1)
        sliders.settle()
        assert sliders.slider("number 10").position()[1] == sliders.slider("number 10").position()[2]
        self.check_decoded(sliders, digits, i=0, what="the code of digit no. 0, moved")
        sliders.screenshot("CodeSliders_moved")
        assert sliders.errors() == ""

    def test_the_button_sets_every_slider_to_the_mean(self, sliders, digits):
        times = [sliders.click("mean code")]
        sliders.settle()
        self.check_decoded(sliders, digits, i=0, what="the mean code")
        mean, picture = self.values(sliders), sliders.picture()
        for i in range(1, self.N_CODES + 1):
            smallest, now, largest = sliders.slider(f"number {i}").position()
            assert now == pytest.approx((smallest + largest) / 2, abs=(largest - smallest) / 100)
        sliders.screenshot("CodeSliders_mean")
        for key in ("ArrowRight", "ArrowLeft"):
            sliders.slider("number 1").press(key)
            sliders.settle()
            self.check_decoded(sliders, digits, i=0, what="the mean code, moved")
        sliders.slider("number 2").press("ArrowRight", times=2)
        sliders.slider("digit no.").press("ArrowRight")
        times.append(sliders.click("mean code"))
        sliders.settle()
        self.check_decoded(sliders, digits, i=1, what="the mean code")
        assert self.values(sliders) == mean
        rows, columns = picture.panels[1]
        assert not sliders.picture().changed_from(picture)[rows, columns].any()  # the same picture, another digit
        assert statistics.median(times) <= MEDIAN_MS
