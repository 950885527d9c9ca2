"""JupyterLab in a real Chromium, driven as a learner drives it: open a notebook, run it, move its sliders.

A test takes the fixture `notebook` (the one that its class names, opened and run), asks it for a widget, and the widget
for its sliders, its text and its picture. `lab` and all that it started end with the tests of this folder.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SCREENSHOTS = Path(__file__).parent / "screenshots"  # and JupyterLab's log, and the latencies; git ignores it
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SHORT_TRAINING = Path(__file__).with_name("short_training.py")
# The shell first: the same engine without a browser around it needs a third less of the processor.
CHROMIUMS = (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
)  # fmt: skip
FLAGS = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
WINDOW = {"width": 1366, "height": 900}  # a laptop's
RUN_ALL_MS, NEW_PICTURE_MS = 600_000, 10_000

LATENCIES = pytest.StashKey[dict[str, list[float]]]()
SKIPPED = pytest.StashKey[str]()

# ------------------------------------------------------------------------------------------------- pages of a notebook

CELLS = "[...jupyterapp.shell.currentWidget.model.cells].filter(cell => cell.type === 'code')"
HAS_RUN = f"""() => {{
    const cells = {CELLS}.filter(cell => cell.sharedModel.getSource().trim());
    const failed = cells.some(cell => cell.outputs.toJSON().some(output => output.output_type === 'error'));
    const prompts = [...document.querySelectorAll('.jp-InputArea-prompt')].map(prompt => prompt.textContent);
    return jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'
        && !prompts.some(text => text.includes('[*]'))
        && (failed || cells.every(cell => cell.executionCount !== null));  // a cell that fails stops the rest
}}"""
OUTPUTS = f"""() => {CELLS}.map(cell => ({{
    index: [...jupyterapp.shell.currentWidget.model.cells].indexOf(cell),
    count: cell.executionCount,
    outputs: cell.outputs.toJSON(),
}}))"""
WIDGETS = f"""() => {CELLS}.flatMap(cell => cell.outputs.toJSON()
    .filter(output => output.data?.['application/vnd.jupyter.widget-view+json'])
    .map(output => [[output.data['text/plain']].flat().join(''),
                    [...jupyterapp.shell.currentWidget.model.cells].indexOf(cell)]))"""
# The picture counts as new when it is decoded, not when its address has changed. With `text`, a new text is enough.
WAIT_FOR_A_NEW_PICTURE = """(picture, {event, limit, text}) => {
    const texts = picture.closest('.jp-OutputArea-output').querySelectorAll('.widget-html-content');
    const words = texts[texts.length - 1];
    const old = picture.src, oldWords = words.innerHTML;
    window.newPicture = new Promise((resolve, reject) => addEventListener(event, () => {
        const start = performance.now();
        const look = async () => {
            if (performance.now() - start > limit) return reject(new Error(`no new picture within ${limit} ms`));
            if (text && words.innerHTML !== oldWords) return resolve(performance.now() - start);
            if (picture.src === old) return requestAnimationFrame(look);
            try {
                await picture.decode();
            } catch {  // the next picture has taken its place: wait for that
                return requestAnimationFrame(look);
            }
            resolve(performance.now() - start);
        };
        look();
    }, {once: true, capture: true}));
}"""
COLUMNS = """cells => cells.map(cell => {
    const lines = [...cell.querySelectorAll('div')].map(line => line.innerText.trim());
    return [cell.querySelector('b').innerText, cell.querySelector('small')?.innerText ?? '', lines];
})"""
# As text: Playwright looks at each item of a list, which takes a second for a picture.
FETCH = """async picture => {
    const blob = await (await fetch(picture.src)).blob();
    const reader = new FileReader();
    await new Promise(read => { reader.onload = read; reader.readAsDataURL(blob); });
    return reader.result.split(',')[1];
}"""


class OpenNotebook:
    """A notebook in JupyterLab: what it printed, asked for and complained of, and its widgets by their class."""

    def __init__(self, page: Page, *, base: str, name: str, latencies: dict[str, list[float]]) -> None:
        self.page, self.name, self.latencies = page, name, latencies
        self._host = urlsplit(base).netloc
        self.hosts: set[str] = set()
        self.complaints: list[str] = []  # of the browser: console errors, requests that failed
        page.on("console", lambda m: self.complaints.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(f"exception in the page: {error}"))
        page.on("request", lambda request: self._note_host(request.url))
        page.on("websocket", lambda channel: self._note_host(channel.url))
        page.on("requestfailed", self._note_failure)
        page.on("response", lambda r: self.complaints.append(f"{r.status}: {r.url}") if r.status >= 400 else None)

        page.goto(f"{base}/lab/tree/{name}.ipynb?reset", wait_until="domcontentloaded")
        # Running before the kernel is connected opens a dialog that blocks everything.
        page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=120_000, polling=200,
        )  # fmt: skip
        page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60_000)

    def _note_failure(self, request: Any) -> None:
        # A picture that the next one replaces before the browser has read it, as in a drag, is no failure.
        if not (request.url.startswith("blob:") and request.failure == "net::ERR_ABORTED"):
            self.complaints.append(f"request failed: {request.url} ({request.failure})")

    def _note_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.netloc)

    @property
    def foreign_hosts(self) -> set[str]:
        return self.hosts - {self._host}

    def start_running(self) -> None:
        """Run ▸ Run All Cells."""
        # The stored outputs go first: their execution counts would pass for fresh ones.
        self.page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        self.page.click('.lm-MenuBar-itemLabel:text-is("Run")')
        self.page.click('.lm-Menu-itemLabel:text-is("Run All Cells")')

    def wait_until_run(self) -> None:
        """Returns when every cell has run, or one has failed and the kernel is idle."""
        self.page.wait_for_function(HAS_RUN, timeout=RUN_ALL_MS, polling=250)

    def code_cells(self) -> list[dict[str, Any]]:
        """Each code cell's index, execution count and outputs, from JupyterLab's model: also of what is off screen."""
        return self.page.evaluate(OUTPUTS)

    def errors(self) -> list[str]:
        """Error outputs of cells, and what stands as an error anywhere on the page, Output widgets included."""
        outputs = [output for cell in self.code_cells() for output in cell["outputs"]]
        of_cells = [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]
        shown = self.page.locator('.jp-mod-error, [data-mime-type="application/vnd.jupyter.error"]')
        return of_cells + [text.strip()[-300:] for text in shown.all_inner_texts()]

    def widget_classes(self) -> list[str]:
        """Classes of the widgets that are outputs, in order; the text beside a widget's view begins with its class."""
        return [name for name, _ in self._widgets()]

    def _widgets(self) -> list[tuple[str, int]]:
        return [(text.partition(":")[0], index) for text, index in self.page.evaluate(WIDGETS)]

    def widget(self, class_name: str) -> WidgetView:
        """The first widget of that class."""
        index = dict(reversed(self._widgets())).get(class_name)
        assert index is not None, f"{self.name} shows no {class_name}"
        box = self.page.locator(f'.jp-Notebook-cell[data-windowed-list-index="{index}"] .jp-OutputArea-output').first
        box.scroll_into_view_if_needed()
        return WidgetView(self, box, class_name=class_name)

    def place(self) -> tuple[int, int]:
        """The number of cells and the active one: what a key that reaches the notebook instead of a widget changes."""
        return tuple(
            self.page.evaluate(
                "() => { const content = jupyterapp.shell.currentWidget.content;"
                "return [content.widgets.length, content.activeCellIndex]; }"
            )
        )

    def execute(self, code: str) -> None:
        """Run code in the notebook's kernel, without a cell."""
        reply = self.page.evaluate(
            "async code => (await jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code})"
            ".done).content.status",
            code,
        )
        assert reply == "ok", f"the kernel refused {code!r}"

    @contextmanager
    def window(self, *, width: int) -> Iterator[None]:
        """Another width of the window for a while."""
        self.page.set_viewport_size({**WINDOW, "width": width})
        try:
            yield
        finally:
            self.page.set_viewport_size(WINDOW)

    def screenshot(self, name: str) -> None:
        self.page.screenshot(path=SCREENSHOTS / f"{self.name}_{name}.png")

    def close(self) -> None:
        """End the kernel, which holds some hundred megabytes, and the page."""
        self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()


# ----------------------------------------------------------------------------------------------------------- a widget


class WidgetView:
    """A widget as it stands on the page."""

    def __init__(self, notebook: OpenNotebook, box: Locator, *, class_name: str) -> None:
        self.page, self.box, self._notebook, self._class_name = notebook.page, box, notebook, class_name
        self.image = box.locator("img.widget-image")

    def slider(self, description: str) -> Slider:
        return Slider(self, self.box.locator(".widget-slider").filter(has=self._label(description)))

    def text_box(self, description: str) -> Locator:
        """The field that one types into."""
        return self.box.locator(".widget-text").filter(has=self._label(description)).locator("input")

    def dropdown(self, description: str) -> Locator:
        return self.box.locator(".widget-dropdown").filter(has=self._label(description)).locator("select")

    def button(self, description: str) -> Locator:
        return self.box.locator(f"button:text-is({json.dumps(description, ensure_ascii=False)})")

    @property
    def number_fields(self) -> list[NumberField]:
        """The fields that numbers are typed into, in order."""
        return [NumberField(self, box) for box in self.box.locator('input[type="number"]').all()]

    @property
    def player(self) -> Player:
        return Player(self.box.locator(".widget-play button"))

    def _label(self, description: str) -> Locator:
        return self.page.locator(f".widget-label:text-is({json.dumps(description, ensure_ascii=False)})")

    @property
    def chooser(self) -> Chooser:
        return Chooser(self, self.box.locator('[aria-label^="pictures"]'))

    @property
    def plane(self) -> Plane:
        return Plane(self, self.box.locator('[aria-label^="the code plane"]'))

    @property
    def pad(self) -> Pad:
        return Pad(self, self.box.locator("canvas"))

    def descriptions(self) -> list[str]:
        """The labels of the sliders, in order."""
        return self.box.locator(".widget-slider .widget-label").all_inner_texts()

    def readout(self) -> str:
        """The line below the picture."""
        return self.box.locator(".widget-html-content").last.inner_text()

    def number(self, before: str) -> float:
        """The number that follows these words in the line below the picture."""
        found = re.search(re.escape(before) + r"\s*(-?\d+(?:\.\d+)?)", self.readout())
        assert found, f"no number after {before!r} in {self.readout()!r}"
        return float(found[1])

    def picture(self) -> Picture:
        """The picture that the browser shows, its bytes fetched from the page."""
        return Picture.shown_by(self.image)

    def shown_size(self) -> tuple[float, float]:
        """Width and height of the picture on the screen."""
        box = self.image.bounding_box()
        return box["width"], box["height"]

    def parts_cut_off(self) -> list[str]:
        """The parts of it that are wider than their frame, by more than ipywidgets' own margins of 2 pixels."""
        return self.box.evaluate(
            "box => [box, ...box.querySelectorAll('.widget-box')]"
            ".filter(part => part.scrollWidth > part.clientWidth + 4)"
            ".map(part => `${part.className}: ${part.scrollWidth} pixels in ${part.clientWidth}`)"
        )

    def errors(self) -> str:
        """The text of the Output below the picture: empty where all is well."""
        return self.box.locator(".widget-output").inner_text().strip()

    def press(self, slider: Slider, key: str) -> float:
        """Press a key on the slider's handle; the milliseconds until the new picture was there, which are noted."""
        slider.handle.focus()
        return self.timed(lambda: self.page.keyboard.press(key), event="keydown")

    def timed(self, act: Callable[[], Any], *, event: str, text: bool = False, kind: str = "") -> float:
        """Do something that makes such an event in the page; the milliseconds from it to the new picture, noted.

        text: a new line of text will do. kind: what the milliseconds are noted under, beside the widget's class.
        """
        self.image.evaluate(WAIT_FOR_A_NEW_PICTURE, {"event": event, "limit": NEW_PICTURE_MS, "text": text})
        act()
        milliseconds = self.page.evaluate("() => window.newPicture")
        name = ", ".join(filter(None, (self._notebook.name, self._class_name, kind)))
        self._notebook.latencies.setdefault(name, []).append(milliseconds)
        return milliseconds

    def click(self, description: str) -> float:
        """Click on a button; the milliseconds until the new picture was there."""
        return self.timed(self.button(description).click, event="click", kind=description)

    def type(self, description: str, text: str) -> list[float]:
        """Type into a field key by key, behind what is there; the milliseconds from each key to the new answer.

        A key that ends or begins a word changes no answer, as a letter alone is no word; it is not waited for.
        """
        self.text_box(description).focus()
        self.page.keyboard.press("End")
        times = []
        for before, key in zip(" " + text, text, strict=False):
            if before.isalpha() and key.isalpha():
                press = partial(self.page.keyboard.press, key)
                times.append(self.timed(press, event="keydown", text=True, kind="typing"))
            else:
                self.page.keyboard.type(key)
        return times

    def settle(self) -> None:
        """Wait until the kernel has answered what was sent so far, and the answer is drawn."""
        for _ in range(2):  # while one message is answered, the next is kept back in the browser
            self._notebook.execute("pass")
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self._wait_for_the_picture()

    def _wait_for_the_picture(self, quiet_ms: int = 80) -> None:
        """Wait until the picture stays as it is: on a busy machine it follows the kernel's answer by some frames."""
        before = ""
        for _ in range(50):
            now = self.box.evaluate("box => [...box.querySelectorAll('img')].map(image => image.src).join(' ')")
            if now == before:
                return
            before = now
            self.page.wait_for_timeout(quiet_ms)

    def columns(self) -> dict[str, Column]:
        """What stands in the table below the picture, a column a method."""
        cells = self.box.locator(".widget-html-content").last.locator("td")
        return {name: Column(heading, lines) for name, heading, lines in cells.evaluate_all(COLUMNS)}

    def screenshot(self, name: str) -> None:
        self.box.scroll_into_view_if_needed()
        self.box.screenshot(path=SCREENSHOTS / f"{self._notebook.name}_{name}.png")


class Slider:
    """One slider of a widget; what is pressed and dragged leads to a new picture, or the test fails."""

    def __init__(self, widget: WidgetView, box: Locator) -> None:
        self._widget, self.box = widget, box
        self.handle, self._readout = box.locator(".noUi-handle"), box.locator(".widget-readout")

    @property
    def value(self) -> str:
        """As it stands beside the slider."""
        return self._readout.inner_text()

    def position(self) -> tuple[float, float, float]:
        """Smallest, present and largest value; for a SelectionSlider they are indices."""
        return tuple(float(self.handle.get_attribute(f"aria-value{name}")) for name in ("min", "now", "max"))

    def press(self, key: str, *, times: int = 1) -> list[float]:
        """The milliseconds from key press to new picture, one a press."""
        return [self._widget.press(self, key) for _ in range(times)]

    def to_start(self) -> None:
        smallest, now, _ = self.position()
        if now > smallest:
            self.press("Home")

    def to_end(self) -> None:
        _, now, largest = self.position()
        if now < largest:
            self.press("End")

    def type(self, value: str) -> None:
        """Write a value into the field beside the slider."""
        keyboard = self._widget.page.keyboard
        self._readout.click()
        keyboard.press("ControlOrMeta+a")
        keyboard.type(value)
        keyboard.press("Enter")

    def drag(self, *, to: float, steps: int = 20) -> None:
        """Drag the handle with the mouse to this share of the track, in many small moves, as a hand does."""
        self.handle.scroll_into_view_if_needed()
        handle, track = self.handle.bounding_box(), self.box.locator(".noUi-target").bounding_box()
        start, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        mouse = self._widget.page.mouse
        mouse.move(start, y)
        mouse.down()
        mouse.move(track["x"] + to * track["width"], y, steps=steps)
        mouse.up()


class NumberField:
    """A field for one number; what is typed counts with Enter."""

    def __init__(self, widget: WidgetView, box: Locator) -> None:
        self._widget, self.box = widget, box

    @property
    def value(self) -> str:
        return self.box.input_value()

    def write(self, text: str) -> None:
        """Overwrite what is there."""
        keyboard = self._widget.page.keyboard
        self.box.focus()
        keyboard.press("ControlOrMeta+a")
        keyboard.type(text)
        keyboard.press("Enter")

    def type(self, text: str) -> float:
        """The same with another number; the milliseconds from Enter to the new picture."""
        return self._widget.timed(lambda: self.write(text), event="change", kind="typing")

    def press(self, key: str) -> float:
        self.box.focus()
        keyboard = self._widget.page.keyboard
        return self._widget.timed(lambda: keyboard.press(key), event="change", kind="arrow in a field")


class Player:
    """The buttons that let a slider run."""

    def __init__(self, buttons: Locator) -> None:
        self.play_or_pause, self.stop = buttons.nth(0), buttons.nth(1)


class Column(NamedTuple):
    """What one method found, as it is shown: the words beside its name, and a line each."""

    heading: str
    lines: list[str]

    @property
    def n_ticked(self) -> int:
        return sum(line.startswith("✓") for line in self.lines)


class Chooser:
    """Pictures to click on."""

    def __init__(self, widget: WidgetView, box: Locator) -> None:
        self._widget, self.box = widget, box

    def click(self, i: int, *, n_columns: int) -> float:
        """Click into the middle of picture i; the milliseconds until the new picture was there."""
        self.box.scroll_into_view_if_needed()
        cell = self.box.bounding_box()["width"] / n_columns
        middle = {"x": (i % n_columns + 0.5) * cell, "y": (i // n_columns + 0.5) * cell}
        return self._widget.timed(lambda: self.box.click(position=middle), event="click", kind="click")

    def press(self, key: str) -> float:
        self.box.focus()
        return self._widget.timed(
            lambda: self._widget.page.keyboard.press(key), event="keydown", kind="arrow in the chooser"
        )

    def framed(self, *, n_columns: int) -> int | None:
        """Which picture stands in the frame; None where there is none."""
        frame = self.box.locator("div")
        if not frame.is_visible():
            return None
        outer, inner = self.box.bounding_box(), frame.bounding_box()
        cell = outer["width"] / n_columns
        row, column = ((inner[axis] - outer[axis]) / cell for axis in "yx")
        assert row == pytest.approx(round(row), abs=0.02)
        assert column == pytest.approx(round(column), abs=0.02)
        return round(row) * n_columns + round(column)


class Pad:
    """A pad to draw on."""

    def __init__(self, widget: WidgetView, box: Locator) -> None:
        self._widget, self.box = widget, box

    def draw(self, points: Sequence[tuple[float, float]]) -> list[float]:
        """One stroke with the mouse through these places, in pixels of the 28×28 image, x before y.

        The milliseconds from each movement to the new picture.
        """
        self.box.scroll_into_view_if_needed()
        box, mouse, timed = self.box.bounding_box(), self._widget.page.mouse, self._widget.timed
        places = [(box["x"] + x * box["width"] / 28, box["y"] + y * box["height"] / 28) for x, y in points]
        mouse.move(*places[0])
        mouse.down()
        self._widget.settle()
        times = [timed(partial(mouse.move, *place), event="pointermove", kind="drawing") for place in places[1:]]
        mouse.up()
        return times

    def clear(self) -> None:
        self._widget.button("clear").click()
        self._widget.settle()


class Plane:
    """A plane to move the pointer over; places are shares of its width and height, from the bottom left."""

    def __init__(self, widget: WidgetView, box: Locator) -> None:
        self._widget, self.box = widget, box
        self._area = box.locator("div").first
        self._ring = self._area.locator("div").last

    def on_screen(self, u: float, v: float) -> tuple[float, float]:
        """Where a place is in the window."""
        area = self._area.bounding_box()
        return area["x"] + u * area["width"], area["y"] + (1 - v) * area["height"]

    def point(self, u: float, v: float) -> float:
        """Move the mouse there, at once; the milliseconds until the new picture was there."""
        move = partial(self._widget.page.mouse.move, *self.on_screen(u, v))
        return self._widget.timed(move, event="pointermove", kind="pointer")

    def press(self, key: str) -> float:
        self.box.focus()
        press = partial(self._widget.page.keyboard.press, key)
        return self._widget.timed(press, event="keydown", kind="arrow on the plane")

    def cross(self) -> tuple[float, float]:
        """The place in the middle of the ring."""
        area, ring = self._area.bounding_box(), self._ring.bounding_box()
        x, y = ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2
        return (x - area["x"]) / area["width"], 1 - (y - area["y"]) / area["height"]

    def picture(self) -> np.ndarray:
        """What the plane itself shows, without its axes and the cross, `(h, w, 3)` in [0, 1]."""
        rgb = Picture.shown_by(self.box.locator("img")).rgb
        area, whole = self._area.bounding_box(), self.box.bounding_box()
        left, top = round(area["x"] - whole["x"]), round(area["y"] - whole["y"])
        return rgb[top : top + round(area["height"]), left : left + round(area["width"])] / 255


class Picture:
    """A widget's picture taken apart: its panels (images drawn without a frame) and its one plot, by what is drawn."""

    MARGIN = 3  # a line that ends at the edge of its Axes is drawn a little beyond

    def __init__(self, png: bytes) -> None:
        self.rgb = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
        parts, _ = ndimage.label((self.rgb < 250).any(axis=2))
        self.panels: list[tuple[slice, slice]] = []
        self.plot: tuple[slice, slice] | None = None
        for i, (rows, columns) in enumerate(ndimage.find_objects(parts), start=1):
            if rows.stop - rows.start < 50:
                continue  # a letter, a tick
            if (parts[rows, columns] == i).mean() < 0.6:  # thin lines on white
                self.plot = (rows, columns)
            elif not any(_lies_in((rows, columns), panel) for panel in self.panels):  # the hole of a large 0 does
                self.panels.append((rows, columns))
        self.panels.sort(key=lambda box: box[1].start)

    @classmethod
    def shown_by(cls, image: Locator) -> Picture:
        """What an image on the page shows."""
        return cls(base64.b64decode(image.evaluate(FETCH)))

    def pixels(self, panel: int, shape: tuple[int, int] = (28, 28)) -> np.ndarray:
        """The image that a panel shows, `(h, w, 3)` in [0, 1]: the colour at the middle of each of its pixels."""
        area = self.rgb[self.panels[panel]]
        rows, columns = (
            ((np.arange(n) + 0.5) * size / n).astype(int) for n, size in zip(shape, area.shape, strict=False)
        )
        return area[rows][:, columns] / 255

    def grey(self, panel: int, shape: tuple[int, int] = (28, 28)) -> np.ndarray:
        """The same of a panel without colours, `(h, w)`."""
        pixels = self.pixels(panel, shape)
        assert (np.ptp(pixels, axis=2) < 0.01).all(), f"panel {panel} has colours"
        return pixels[..., 0]

    def x_of_points(self, colour: str) -> float:
        """Where on the plot, from left to right, the points of that colour (#rrggbb) are, as their mean column."""
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        rows, columns = self.plot
        matches = (np.abs(self.rgb[rows, columns].astype(int) - wanted) < 12).all(axis=2)
        return matches.nonzero()[1].mean()

    def in_colour(self, colour: str) -> int:
        """How many pixels have that colour (#rrggbb)."""
        return int(self._which_in(colour).sum())

    def columns_in(self, colour: str, *, at_least: int) -> int:
        """How many columns have at least so many pixels of that colour: how wide a bar is, whatever line crosses it."""
        return int((self._which_in(colour).sum(axis=0) >= at_least).sum())

    def _which_in(self, colour: str) -> np.ndarray:
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        return (np.abs(self.rgb.astype(int) - wanted) < 6).all(axis=2)

    def outside(self, panels: Sequence[int], *, plot: bool) -> np.ndarray:
        """Which pixels are in none of these panels and, with plot, not in the plot: what must not change."""
        static = np.ones(self.rgb.shape[:2], dtype=bool)
        for rows, columns in [self.panels[i] for i in panels] + ([self.plot] if plot else []):
            first_row, first_column = max(rows.start - self.MARGIN, 0), max(columns.start - self.MARGIN, 0)
            static[first_row : rows.stop + self.MARGIN, first_column : columns.stop + self.MARGIN] = False
        return static

    def changed_from(self, other: Picture) -> np.ndarray:
        """Which pixels differ."""
        return (self.rgb != other.rgb).any(axis=2)


def _lies_in(inner: tuple[slice, slice], outer: tuple[slice, slice]) -> bool:
    return all(o.start <= i.start and i.stop <= o.stop for i, o in zip(inner, outer, strict=True))


# ----------------------------------------------------------------------------------------------------------- fixtures


def no_browser(config: pytest.Config, reason: str) -> None:
    """Skip, so that it is seen; where CI says that it expects a browser, fail."""
    reason = f"THE BROWSER TESTS DID NOT RUN: {reason}"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason} CI is set: a missing browser is a failure here.", pytrace=False)
    config.stash[SKIPPED] = reason
    pytest.skip(reason)


@pytest.fixture(scope="package")
def chromium(request: pytest.FixtureRequest) -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        no_browser(request.config, "PLAYWRIGHT IS NOT INSTALLED (pip install -e '.[dev]').")
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        if not found and not own.is_file():
            install = "apt-get install chromium-headless-shell, or playwright install"
            no_browser(request.config, f"NO CHROMIUM IS INSTALLED ({install}).")
        browser = playwright.chromium.launch(executable_path=found, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def trained(pytestconfig: pytest.Config) -> bool:
    """Whether the notebooks train their nets, as for learners (`make browser`), or hardly (short_training.py)."""
    return pytestconfig.getoption("--trained")


@pytest.fixture(scope="package")
def lab(
    _course_variables: None, chromium: Browser, tmp_path_factory: pytest.TempPathFactory, trained: bool
) -> Iterator[str]:
    """The address of a JupyterLab on a copy of the notebooks."""
    root = tmp_path_factory.mktemp("notebooks")
    for path in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(path, root)
    with jupyter(
        "jupyterlab", root, tmp_path_factory.mktemp("settings"), "--LabApp.expose_app_in_browser=True",
        start_up=None if trained else SHORT_TRAINING,
    ) as base:  # fmt: skip
        yield base


@contextmanager
def jupyter(module: str, root: Path, settings: Path, *options: str, start_up: Path | None = None) -> Iterator[str]:
    """The address of a server that is started in this folder, with nobody's settings and no token, on this machine.

    start_up: a program that every kernel runs before its first cell.
    """
    folders = {
        name: settings / name.lower()
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
                     "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
    }  # fmt: skip
    for folder in folders.values():
        folder.mkdir()
    if start_up:
        place = folders["IPYTHONDIR"] / "profile_default" / "startup"
        place.mkdir(parents=True)
        shutil.copy(start_up, place)
    page_config = folders["JUPYTER_CONFIG_DIR"] / "labconfig" / "page_config.json"
    page_config.parent.mkdir()
    # It asks for leave to fetch news from another host.
    page_config.write_text(json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", module, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={root}", *options,
    ]  # fmt: skip
    SCREENSHOTS.mkdir(exist_ok=True)
    log = SCREENSHOTS / f"{module}.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            command, env={**os.environ, **{name: str(folder) for name, folder in folders.items()}},
            cwd=root, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for_server(f"http://127.0.0.1:{port}", server, log=log)
        yield f"http://127.0.0.1:{port}"
    finally:
        _end_with_children(server)


def _wait_for_server(base: str, server: subprocess.Popen, *, log: Path, limit_s: float = 120) -> None:
    start = time.monotonic()
    while time.monotonic() - start < limit_s and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{base}/api/status", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"Jupyter did not start:\n{log.read_text()[-3_000:]}", pytrace=False)


def _end_with_children(server: subprocess.Popen) -> None:
    """SIGTERM lets the server end its kernels; a kernel whose server had to be killed notices, and ends itself."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, ending)
        except ProcessLookupError:
            break
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            continue


@pytest.fixture(scope="package")
def running() -> dict[str, OpenNotebook]:
    """Notebooks that were set running together with the one before them, and wait for their turn."""
    return {}


@pytest.fixture(scope="class")
def notebook(
    request: pytest.FixtureRequest, lab: str, chromium: Browser, running: dict[str, OpenNotebook]
) -> Iterator[OpenNotebook]:
    """The notebook that the test class names in NOTEBOOK, opened, photographed, and run.

    Two run at a time, which takes two thirds of the time of one after the other; none runs while another is tested.
    """
    name = request.cls.NOTEBOOK
    if name not in running:
        of_session = dict.fromkeys(getattr(item.cls, "NOTEBOOK", None) for item in request.session.items)
        names = [other for other in of_session if other]
        latencies = request.config.stash.setdefault(LATENCIES, {})
        for one in names[names.index(name) :][:2]:
            page = chromium.new_page(viewport=WINDOW)
            running[one] = OpenNotebook(page, base=lab, name=one, latencies=latencies)
            running[one].screenshot("top")
            running[one].start_running()
        for other in running.values():
            other.wait_until_run()
    opened = running.pop(name)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_silently(notebook: OpenNotebook) -> Iterator[None]:
    """A test that makes the browser complain, or turn to another host, fails whatever else it asserts."""
    complaints, hosts = len(notebook.complaints), set(notebook.hosts)
    yield
    assert notebook.complaints[complaints:] == []
    assert notebook.hosts - hosts == set()


# ----------------------------------------------------------------------------------------- what the session ends with


def summary_of(milliseconds: list[float]) -> dict[str, float]:
    """Median, ninth decile and largest."""
    return {
        "n": len(milliseconds),
        "median_ms": round(statistics.median(milliseconds), 1),
        "p90_ms": round(float(np.quantile(milliseconds, 0.9)), 1),
        "max_ms": round(max(milliseconds), 1),
    }


@pytest.hookimpl(wrapper=True, tryfirst=True)  # the outermost: its lines are the last
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    yield
    if reason := config.stash.get(SKIPPED, None):
        terminalreporter.write_sep("!", "BROWSER TESTS SKIPPED", red=True, bold=True)
        terminalreporter.write_line(reason, red=True, bold=True)
    latencies = {name: ms for name, ms in config.stash.get(LATENCIES, {}).items() if ms}
    if latencies:
        terminalreporter.write_sep("-", "from key press, click or stroke to new picture")
        by_widget = {name: summary_of(ms) for name, ms in latencies.items()}
        for name, numbers in by_widget.items():
            line = "median {median_ms:.0f} ms, p90 {p90_ms:.0f} ms, max {max_ms:.0f} ms, of {n}".format(**numbers)
            terminalreporter.write_line(f"{name}: {line}")
        for name, numbers in by_widget.items():
            numbers["all_ms"] = [round(t, 1) for t in latencies[name]]
        (SCREENSHOTS / "latency.json").write_text(json.dumps(by_widget, indent=1) + "\n")
