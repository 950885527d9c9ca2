"""A figure that is stepped through: every step is a frame, which says what is seen and what is read below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import ipywidgets
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from course_utils.widgets.base import WRAPPING, LiveFigure

Look = Mapping[Artist, Mapping[str, Any]]


class Frame(NamedTuple):
    """What a step shows: artists with the properties to set on them, and the text below the figure."""

    look: Look
    text: str


class Stepper(LiveFigure):
    """Step through frames: a moving artist that is not in the frame is hidden.

    Sub-classes write `frame(step)`.

    Parameters
    ----------
    slider
        The number of the step. The other parameters are those of `LiveFigure`.
    """

    def __init__(
        self, figure: Figure, controls: Sequence[ipywidgets.Widget], moving: Sequence[Artist], *,
        slider: ipywidgets.IntSlider, arrangement: ipywidgets.Widget | None = None,
    ) -> None:  # fmt: skip
        self._slider = slider
        super().__init__(figure, controls, moving, arrangement=arrangement)

    def frame(self, step: int) -> Frame:
        """The frame of a step, from the values of the other controls."""
        raise NotImplementedError

    def update(self) -> str:
        """Show the frame of the slider's step; return its line."""
        look, text = self.frame(self._slider.value)
        for artist in self._moving:
            artist.set_visible(artist in look)
        for artist, properties in look.items():
            artist.set(**properties)
        return text

    def player(self, slider: ipywidgets.IntSlider) -> ipywidgets.HBox:
        """The slider behind a Play button that moves it."""
        self.play = ipywidgets.Play(value=slider.value, min=slider.min, max=slider.max, interval=1200)
        self.link = ipywidgets.jslink((self.play, "value"), (slider, "value"))  # in the browser: no way round
        return ipywidgets.HBox((self.play, slider), layout=WRAPPING)
