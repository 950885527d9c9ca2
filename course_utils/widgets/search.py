"""Widgets of notebooks 3 and 4: ask a collection of texts or of images, and compare what several methods find."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from scipy.sparse import csr_array, issparse
from torch import Tensor

from course_utils.corruption import shifted
from course_utils.data import ImageData, TextData
from course_utils.plotting import class_colours, framed, tile
from course_utils.retrieval import CodeSearch
from course_utils.text import BagOfWords, Query
from course_utils.widgets.base import LiveFigure, labelled, picture
from course_utils.widgets.pointer import DrawingPad, PictureChooser


def _check_collections(searches: Mapping[str, CodeSearch], n: int, words: str) -> None:
    """An index over anything else would show the wrong items, or fail in a callback."""
    for name, search in searches.items():
        if len(search.index) != n:
            raise ValueError(f"{name} searches {len(search.index)} {words} {n} to search.")


class TextSearchExplorer(LiveFigure):
    """Type a query, or pick a test document: a column of results for each method, and where the query lands on maps.

    Results have their topic's colour; a picked document has a topic, so right results are marked ✓. Words that are not
    in the vocabulary are named, with what may have been meant.

    Parameters
    ----------
    corpus
        Its training texts are searched, its test texts can be picked.
    bag
        Fitted on the training texts.
    searches
        Name → a `CodeSearch` over their counts.
    maps
        The names of searches, with codes of two numbers, that are drawn as maps.
    query
        To begin with.

    Raises
    ------
    ValueError
        There are no searches, one has another number of documents, or a map is not of a search with two numbers.
    """

    N_RESULTS = 8

    def __init__(
        self, corpus: TextData, bag: BagOfWords, searches: Mapping[str, CodeSearch], *, maps: Sequence[str] = (),
        query: str = "",
    ) -> None:  # fmt: skip
        if not searches or any(name not in searches for name in maps):
            raise ValueError(f"maps must name some of the searches ({', '.join(searches) or 'there are none'}).")
        if any(searches[name].codes.shape[1] != 2 for name in maps):
            raise ValueError("A map is drawn of codes of two numbers alone.")
        _check_collections(searches, len(corpus.train_texts), "documents; the corpus has")
        self._corpus, self._bag, self._searches = corpus, bag, searches
        self._queries = bag.transform(corpus.test_texts)
        self._colours = [to_hex(c) for c in class_colours(len(corpus.topic_names))]
        self.query = ipywidgets.Text(query, placeholder="type words", **labelled("query", 420))
        self.document = ipywidgets.IntSlider(-1, -1, len(corpus.test_texts) - 1, **labelled("or text no.", 420))
        figure = Figure(figsize=(9.6, 3.9 if maps else 0.3), dpi=90, layout="constrained")
        self._marks = {}
        for ax, name in zip(figure.subplots(1, len(maps), squeeze=False)[0] if maps else (), maps, strict=True):
            self._marks[name] = self._draw_map(ax, name)
        super().__init__(figure, (self.query, self.document), [m for marks in self._marks.values() for m in marks])

    def _draw_map(self, ax: Any, name: str) -> list[Any]:
        codes, labels = torch.as_tensor(self._searches[name].codes), self._corpus.train_labels
        ax.set_axis_off()
        low, high = np.quantile(codes, 0.005, axis=0), np.quantile(codes, 0.995, axis=0)
        margin = 0.06 * (high - low)
        ax.scatter(*codes.T, s=7, alpha=0.8, c=[self._colours[i] for i in labels], linewidths=0)
        ax.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))
        ax.set_title(f"{name}: + the query, ○ what it finds", loc="left", fontsize=10)
        marks = [
            *ax.plot([], [], "o", markersize=9, markerfacecolor="none", markeredgecolor="black", clip_on=False),
            *ax.plot([], [], "P", markersize=9, color="black", markeredgecolor="white", clip_on=False),
        ]
        for mark in marks:
            mark.set_in_layout(False)  # without points yet, and not clipped, they would take all the room
        return marks

    def prepare(self, control: ipywidgets.Widget | None) -> None:
        """Let a typed query and a chosen document take each other's place."""
        if self.query.value and control is self.query:
            with self.held():
                self.document.value = -1  # what was touched last is what is asked

    def update(self) -> str:
        """Search for the query, mark what was found on the maps; return the table of answers."""
        i = self.document.value
        truth: int | None = None  # a typed query has no topic
        if i >= 0:
            counts, truth = self._queries[[i]], int(self._corpus.test_labels[i])
            asked = f"text {i}: <b>{html.escape(self._corpus.test_titles[i])}</b> {self._chip(truth)}"
            known = counts.sum() > 0
            asked += "" if known else " None of its words is in the vocabulary: there is nothing to search for."
        else:
            query = self._bag.query(self.query.value)
            counts, known = query.counts, bool(query.known)
            asked = _what_was_read(query) if self.query.value.strip() else "Type a query, or move the slider."
        for mark in self._moving:  # nothing of an earlier query stays
            mark.set(data=([], []))
        found = {name: self._find(name, counts) if known else [] for name in self._searches}
        columns = "".join(self._column(name, members, truth) for name, members in found.items())
        return (
            f'<div style="line-height:1.35">{asked}'
            f'<table style="width:100%;max-width:860px;table-layout:fixed;font-size:12px"><tr>{columns}</tr></table>'
            "</div>"
        )

    def _find(self, name: str, counts: csr_array) -> list[int]:
        search = self._searches[name]
        z = search.encode(counts)
        neighbours = search.index.search(z, min(self.N_RESULTS, len(search.index)))
        found = neighbours.indices[0]
        if issparse(z):  # words: what shares none of them has similarity 0, and is no answer
            found = found[neighbours.scores[0] > 0]
        if name in self._marks:
            around, cross = self._marks[name]
            around.set_data(*np.asarray(search.codes)[found].T)
            # Beyond the edge of the map, the cross stands at the edge.
            (left, right), (bottom, top) = cross.axes.get_xlim(), cross.axes.get_ylim()
            x, y = np.asarray(z)[0]
            cross.set_data([np.clip(x, left, right)], [np.clip(y, bottom, top)])
        return found.tolist()

    def _column(self, name: str, found: list[int], truth: int | None) -> str:
        labels = self._corpus.train_labels[found].tolist() if found else []
        n_right = f" <small>{labels.count(truth)} of {len(found)} right</small>" if truth is not None and found else ""
        lines = "".join(
            f'<div title="{html.escape(self._corpus.train_texts[i][:300], quote=True)}" style="white-space:nowrap;'
            f'overflow:hidden;text-overflow:ellipsis">{"✓ " if label == truth else ""}{self._chip(label)} '
            f"{html.escape(_short(self._corpus.train_titles[i], self._corpus.topic_names[label]))}</div>"
            for i, label in zip(found, labels, strict=True)
        )
        lines = lines or "<div>–</div>"
        return f'<td style="vertical-align:top;text-align:left"><b>{html.escape(name)}</b>{n_right}{lines}</td>'

    def _chip(self, label: int) -> str:
        colour = self._colours[label]
        ink = "black" if sum(to_rgb(colour)) > 1.5 else "white"
        return (
            f'<span style="background:{colour};color:{ink};padding:0 4px;border-radius:3px">'
            f"{html.escape(self._corpus.topic_names[label])}</span>"
        )


def _what_was_read(query: Query) -> str:
    words = f"Searched for: <b>{html.escape(', '.join(query.known))}</b>. " if query.known else ""
    return words + html.escape(query.message)


def _short(title: str, topic: str) -> str:
    """Of a dotted name the last two parts after its topic's name, which stands beside it."""
    return title if " " in title else ".".join(title.removeprefix(f"{topic}.").split(".")[-2:])


class ImageSearchExplorer(LiveFigure):
    """Click a picture, or draw a digit: a row of neighbours for each method; those of another class are framed.

    Two sliders shift the query. The pad is there for grey images of 28×28 alone; a drawn digit has the class that one
    says it has.

    Parameters
    ----------
    data
        Its test images are asked, its training images are searched.
    searches
        Name → a `CodeSearch` over these, as in `{"pixels": …, "code": …}`.

    Raises
    ------
    ValueError
        There are no searches, or one has another number of images.
    """

    N_RESULTS, N_PICTURES = 10, 30

    def __init__(self, data: ImageData, searches: Mapping[str, CodeSearch]) -> None:
        if not searches:
            raise ValueError("There is no method to compare: searches is empty.")
        _check_collections(searches, len(data.train_images), "images; the data have")
        self._data, self._searches = data, searches
        self.chooser = PictureChooser(data.test_images[: self.N_PICTURES], n_columns=15)
        self.dx = ipywidgets.IntSlider(0, -4, 4, **labelled("shift →", 260))
        self.dy = ipywidgets.IntSlider(0, -4, 4, **labelled("shift ↓", 260))
        self.pad = DrawingPad() if data.image_shape == (1, DrawingPad.SIZE, DrawingPad.SIZE) else None
        classes = [("I do not say", -1), *((name, i) for i, name in enumerate(data.class_names))]
        self.drawn_class = ipywidgets.Dropdown(options=classes, **labelled("I drew a", 200))

        _, h, w = data.image_shape
        figure = Figure(figsize=(9.6, 0.2 + 1.05 * len(searches)), dpi=90, layout="constrained")
        grid = figure.add_gridspec(len(searches), 2, width_ratios=(1, self.N_RESULTS))
        self._asked = picture(figure.add_subplot(grid[:, 0]), "asked", (h, w))
        row_shape = (h + 4, self.N_RESULTS * (w + 4))
        self._rows = {
            name: picture(figure.add_subplot(grid[i, 1]), f"found by {name}", row_shape)
            for i, name in enumerate(searches)
        }
        beside = [self.dx, self.dy] if self.pad is None else [self.dx, self.dy, self.drawn_class]
        asking = [ipywidgets.VBox(beside)] if self.pad is None else [self.pad, ipywidgets.VBox(beside)]
        super().__init__(
            figure, (self.chooser, *beside), (self._asked, *self._rows.values()),
            arrangement=ipywidgets.VBox((self.chooser, ipywidgets.HBox(asking))),
        )  # fmt: skip
        self.chooser.on_input(self.respond)
        if self.pad is not None:
            self.pad.on_input(lambda: self.respond(self.pad))

    def prepare(self, control: ipywidgets.Widget | None) -> None:
        """Let a drawing and a chosen picture take each other's place."""
        if control is not None and control is self.pad:
            self.chooser.chosen = -1

    def update(self) -> str:
        """Search for the image, frame what is wrong; return how many are right."""
        image, truth = self._query()
        self._asked.set_data(_as_rgb(image))
        texts = []
        for name, search in self._searches.items():
            found = search.search(image, min(self.N_RESULTS, len(search.index))).indices[0]
            wrong = self._data.train_labels[found] != truth if truth >= 0 else torch.zeros(len(found), dtype=torch.bool)
            height, width = self._rows[name].get_size()
            row = np.ones((height, width, 3), dtype=np.float32)  # white where nothing was found
            pictures = tile(framed(self._data.train_images[found], wrong), n_columns=len(found), pad=0)
            row[:, : pictures.shape[1]] = pictures
            self._rows[name].set_data(row)
            texts.append(f"{html.escape(name)} <b>{int(wrong.sum())}</b> of {len(found)} wrong")
        is_drawn = self.chooser.chosen < 0 and self.pad is not None
        what = "a drawing" if is_drawn else f"“{html.escape(self._data.class_names[truth])}”"
        verdict = ", ".join(texts) if truth >= 0 else "say what you drew, and the wrong ones are framed"
        return f"{what}, shifted by ({self.dx.value}, {self.dy.value}): {verdict}"

    def _query(self) -> tuple[Tensor, int]:
        """The image that is asked, `(1, c, h, w)`, and its class, or −1."""
        i = self.chooser.chosen
        if i < 0 and self.pad is not None:
            image, truth = self.pad.image, self.drawn_class.value
        else:
            i = max(0, min(i, len(self._data.test_images) - 1))
            image, truth = self._data.test_images[[i]], self._data.test_labels[i].item()
        return shifted(image, torch.tensor([self.dy.value]), torch.tensor([self.dx.value])), truth


def _as_rgb(image: Tensor) -> np.ndarray:
    return image[0].expand(3, -1, -1).permute(1, 2, 0).numpy()
