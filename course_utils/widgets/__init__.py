"""One exploration a chapter. A widget shows a still picture where there is no kernel, and says so when it fails.

Each draws its figure once and, when a slider moves, only what moves on it (matplotlib calls it blitting): 10 to 20 ms
instead of 150, so that a slider feels like a slider.
"""

from course_utils.widgets.base import LiveFigure
from course_utils.widgets.code_sliders import CodeSliders
from course_utils.widgets.deconvolution import DeconvolutionStepper
from course_utils.widgets.denoising import DenoisingExplorer
from course_utils.widgets.label_budgets import LabelBudgetExplorer
from course_utils.widgets.plane import PlaneExplorer
from course_utils.widgets.pointer import DrawingPad, PictureChooser
from course_utils.widgets.positions import PositionsExplorer
from course_utils.widgets.pretraining import PretrainingStepper
from course_utils.widgets.restoring import CodeSizeExplorer, PCAExplorer, WalkExplorer
from course_utils.widgets.search import ImageSearchExplorer, TextSearchExplorer
from course_utils.widgets.unpooling import UnpoolingStepper

__all__ = [
    "CodeSizeExplorer", "CodeSliders", "DeconvolutionStepper", "DenoisingExplorer", "DrawingPad",
    "ImageSearchExplorer", "LabelBudgetExplorer", "LiveFigure", "PCAExplorer", "PictureChooser", "PlaneExplorer",
    "PositionsExplorer", "PretrainingStepper", "TextSearchExplorer", "UnpoolingStepper", "WalkExplorer",
]  # fmt: skip
