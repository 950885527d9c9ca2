"""What the plotting functions draw, and that they only draw: Axes come back, nothing is shown, no warning is raised."""

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import same_color, to_rgba
from matplotlib.text import Text

from course_utils.metrics import Precision
from course_utils.plotting import (
    COLOURS,
    METHOD_COLOURS,
    class_colours,
    framed,
    plot_band,
    plot_codes,
    plot_history,
    plot_precision,
    plot_shapes,
    show_images,
    show_neighbours,
    show_reconstructions,
    tile,
    use_course_style,
)
from course_utils.training import History


@pytest.fixture(autouse=True)
def _figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No window, no `plt.show`, the course's style; afterwards every figure is closed and the style is as before."""

    def show(*args: object, **kwargs: object) -> None:
        raise AssertionError("plt.show was called")

    monkeypatch.setattr(plt, "show", show)
    with mpl.rc_context():
        plt.switch_backend("agg")
        use_course_style()
        yield
    plt.close("all")


def drawn(ax: Axes) -> Axes:
    """Draws the whole figure, which raises what matplotlib warns of: glyphs without a font, layouts without room."""
    assert isinstance(ax, Axes)
    ax.figure.canvas.draw()
    return ax


def shown(ax: Axes) -> np.ndarray:
    """The pixels of the only picture in the Axes."""
    (image,) = ax.images
    return np.asarray(image.get_array())


# -------------------------------------------------------------------------------------------------------------- tile


def test_tile_puts_grey_images_row_by_row_with_a_line_between():
    images = torch.arange(12, dtype=torch.float32).view(3, 1, 2, 2)
    expected = [
        [0, 1, 9, 4, 5],
        [2, 3, 9, 6, 7],
        [9, 9, 9, 9, 9],
        [8, 9, 9, 9, 9],
        [10, 11, 9, 9, 9],
    ]
    assert tile(images, n_columns=2, pad=1, pad_value=9).tolist() == expected


def test_tile_keeps_the_colours_of_three_channels():
    images = torch.rand(2, 3, 4, 5)
    grid = tile(images, n_columns=2, pad=2, pad_value=0.25)
    assert grid.shape == (4, 12, 3)
    for i, left in enumerate((0, 7)):
        for channel in range(3):
            assert np.array_equal(grid[:, left : left + 5, channel], images[i, channel].numpy())
    assert (grid[:, 5:7] == 0.25).all()


@pytest.mark.parametrize("pad", [0, 1, 3])
@pytest.mark.parametrize(("n", "n_columns", "n_rows"), [(1, 1, 1), (6, 3, 2), (7, 3, 3), (2, 5, 1)])
def test_tile_has_padding_only_between_images(n, n_columns, n_rows, pad):
    grid = tile(torch.zeros(n, 1, 4, 6), n_columns=n_columns, pad=pad)
    assert grid.shape == (n_rows * 4 + (n_rows - 1) * pad, n_columns * 6 + (n_columns - 1) * pad)
    assert (grid == 0).sum() == n * 4 * 6  # the rest is the padding's 1


def test_tile_takes_what_a_model_gave():
    images = torch.rand(2, 1, 3, 3, requires_grad=True) * 1
    assert np.array_equal(tile(images, n_columns=1, pad=0), images.detach().flatten(0, 2).numpy())


@pytest.mark.parametrize("shape", [(28, 28), (5, 784), (5, 28, 28), (0, 1, 28, 28), (1, 5, 1, 28, 28)])
def test_tile_refuses_what_is_no_batch_of_images_and_names_its_shape(shape):
    with pytest.raises(ValueError, match=str(shape).replace("(", r"\(").replace(")", r"\)")):
        tile(torch.zeros(shape), n_columns=2)


# ------------------------------------------------------------------------------------------------------- show_images


def test_show_images_makes_one_picture_in_axes_of_its_own():
    ax = drawn(show_images(torch.rand(13, 1, 8, 8), n_columns=5, title="thirteen"))
    assert shown(ax).shape == (3 * 9 - 1, 5 * 9 - 1)
    assert ax.get_title(loc="left") == "thirteen"
    assert not ax.axison
    assert plt.get_fignums() == [ax.figure.number]


def test_show_images_draws_into_the_axes_it_is_given():
    _, (left, right) = plt.subplots(1, 2)
    assert show_images(torch.rand(4, 1, 8, 8), ax=right) is right
    assert not left.images
    assert len(right.images) == 1
    assert len(plt.get_fignums()) == 1


def test_show_images_needs_no_full_row():
    assert shown(drawn(show_images(torch.rand(3, 1, 8, 8), n_columns=10))).shape == (8, 26)


def test_show_images_draws_the_ends_of_the_range_black_and_white():
    (image,) = drawn(show_images(torch.tensor([0.0, 0.5]).view(2, 1, 1, 1), value_range=(0, 0.5))).images
    colours = image.to_rgba(image.get_array())
    assert same_color(colours[0, 0], "black")
    assert same_color(colours[0, 2], "white")


def test_show_images_pads_signed_images_with_the_colour_of_zero():
    (image,) = drawn(show_images(torch.ones(2, 1, 3, 3), value_range=(-2, 2), cmap="RdBu_r")).images
    assert image.get_clim() == (-2, 2)
    assert (shown(image.axes)[:, 3] == 0).all()


def test_show_images_clips_colours_to_the_range():
    images = torch.stack([torch.full((3, 4, 4), -0.5), torch.full((3, 4, 4), 1.5)])
    grid = shown(drawn(show_images(images)))
    assert grid.shape == (4, 9, 3)
    assert (grid.min(), grid.max()) == (0, 1)


# ---------------------------------------------------------------------------------------------- show_reconstructions


def test_show_reconstructions_labels_its_rows_from_the_top():
    x = torch.rand(4, 1, 6, 6)
    rows = {"original": x, "PCA-30": x / 2, "deep-30": x / 4}
    ax = drawn(show_reconstructions(rows, title="three rows"))
    grid = shown(ax)
    assert grid.shape == (18, 27)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(rows)
    for row, tick in enumerate(ax.get_yticks()):
        assert ax.yaxis_inverted()
        assert row * 6 - 0.5 < tick < (row + 1) * 6 - 0.5
        assert np.array_equal(grid[row * 6 : (row + 1) * 6, :6], list(rows.values())[row][0, 0].numpy())
    assert ax.get_title(loc="left") == "three rows"


def test_show_reconstructions_clips_what_pca_overshoots():
    x = torch.rand(2, 1, 6, 6)
    grid = shown(drawn(show_reconstructions({"original": x, "PCA": 3 * x - 1})))
    assert (grid.min(), grid.max()) == (0, 1)


def test_show_reconstructions_draws_into_the_axes_it_is_given():
    _, ax = plt.subplots()
    assert show_reconstructions({"original": torch.rand(2, 3, 6, 6)}, ax=ax) is ax
    assert shown(drawn(ax)).shape == (6, 13, 3)


@pytest.mark.parametrize("other", [(4, 1, 6, 6), (5, 1, 6, 5), (5, 3, 6, 6), (5, 36)])
def test_show_reconstructions_refuses_rows_of_different_shapes_and_names_them(other):
    with pytest.raises(ValueError, match="one shape") as error:
        show_reconstructions({"original": torch.rand(5, 1, 6, 6), "PCA": torch.rand(other)})
    assert "(5, 1, 6, 6)" in str(error.value)
    assert str(other) in str(error.value)


def test_show_reconstructions_refuses_no_rows_at_all():
    with pytest.raises(ValueError, match="one shape"):
        show_reconstructions({})


# ------------------------------------------------------------------------------------------ framed, show_neighbours

VERMILLION = to_rgba(COLOURS[1])[:3]


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_framed_puts_vermillion_around_what_is_marked_and_white_around_the_rest(n_channels, width):
    images = 0.5 * torch.rand(3, n_channels, 4, 6)
    result = framed(images, torch.tensor([True, False, True]), width=width).numpy()
    assert result.shape == (3, 3, 4 + 2 * width, 6 + 2 * width)
    inside = np.zeros(result.shape[2:], dtype=bool)
    inside[width:-width, width:-width] = True
    for image, shown_image, colour in zip(images, result, (VERMILLION, (1, 1, 1), VERMILLION), strict=True):
        assert np.array_equal(shown_image[:, inside].reshape(3, 4, 6), image.expand(3, -1, -1).numpy())
        assert shown_image[:, ~inside] == pytest.approx(np.array(colour)[:, None].repeat((~inside).sum(), axis=1))


def test_framed_leaves_the_images_as_they_are():
    images = torch.rand(2, 3, 4, 4)
    before = images.clone()
    framed(images, torch.tensor([True, False])).zero_()
    assert torch.equal(images, before)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_show_neighbours_has_a_row_a_query_with_a_gap_before_what_was_found(n_channels):
    queries, found = torch.rand(2, n_channels, 4, 5), torch.rand(2, 3, n_channels, 4, 5)
    wrong = torch.tensor([[False, True, False], [True, False, True]])
    ax = drawn(show_neighbours(queries, found, wrong, title="two queries"))
    grid = shown(ax)
    assert ax.get_title(loc="left") == "two queries"
    assert grid.shape == (2 * 8 + 1, 4 * 9 + 8, 3)
    for row in range(2):
        strip = grid[9 * row : 9 * row + 8]
        pictures = [strip[:, :9], *(strip[:, 17 + 9 * place : 26 + 9 * place] for place in range(3))]
        expected = [queries[row], *found[row]]
        for picture, image, is_wrong in zip(pictures, expected, (False, *wrong[row].tolist()), strict=True):
            assert np.allclose(picture[2:-2, 2:-2].transpose(2, 0, 1), image.expand(3, -1, -1))
            for edge in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
                assert np.allclose(edge, VERMILLION if is_wrong else 1)
        assert (strip[:, 9:17] == 1).all()


def test_show_neighbours_draws_into_the_axes_it_is_given():
    _, ax = plt.subplots()
    queries, found = torch.rand(1, 1, 4, 4), torch.rand(1, 2, 1, 4, 4)
    assert show_neighbours(queries, found, torch.zeros(1, 2, dtype=torch.bool), ax=ax) is ax
    assert len(plt.get_fignums()) == 1


# ------------------------------------------------------------------------------------------------------ plot_history


def history(*, validation: bool) -> History:
    rows = [{"train_loss": 4.0 - epoch, "validation_loss": 5.0 - epoch, "lr": 0.1} for epoch in range(3)]
    return History(rows if validation else [{"train_loss": row["train_loss"]} for row in rows])


def test_plot_history_draws_training_dotted_and_validation_solid_over_epochs_from_one():
    ax = drawn(plot_history({"deep": history(validation=True)}))
    train, validation = ax.lines
    assert (train.get_label(), train.get_linestyle()) == ("deep, train", ":")
    assert (validation.get_label(), validation.get_linestyle()) == ("deep, validation", "-")
    assert train.get_xdata() == pytest.approx([1, 2, 3])
    assert train.get_ydata() == pytest.approx([4, 3, 2])
    assert validation.get_ydata() == pytest.approx([5, 4, 3])
    assert train.get_color() == validation.get_color()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "SSE per image")


def test_plot_history_leaves_out_a_validation_that_was_not_recorded():
    ax = drawn(plot_history({"alone": history(validation=False), "both": history(validation=True)}))
    assert [line.get_label() for line in ax.lines] == ["alone, train", "both, train", "both, validation"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [line.get_label() for line in ax.lines]
    colours = [line.get_color() for line in ax.lines]
    assert colours[0] != colours[1] == colours[2]


def test_plot_history_takes_plain_lists_another_unit_and_axes():
    _, ax = plt.subplots()
    assert plot_history({"a": {"loss": [1.0, 0.5]}}, columns=("loss",), unit="nats", ax=ax) is ax
    assert drawn(ax).get_ylabel() == "nats"
    assert len(ax.lines) == 1


def test_plot_history_has_a_colour_for_more_runs_than_the_palette():
    runs = {str(i): {"train_loss": [1.0]} for i in range(len(COLOURS) + 2)}
    assert len(drawn(plot_history(runs)).lines) == len(runs)


# -------------------------------------------------------------------------------------------------------- plot_codes


def test_plot_codes_puts_each_class_s_name_at_its_median_in_its_colour():
    labels = torch.arange(3).repeat_interleave(5)
    z = torch.randn(15, 2, requires_grad=True)
    ax = drawn(plot_codes(z, labels, ("a", "b", "c"), title="codes"))
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]
    for i, (points, text) in enumerate(zip(ax.collections, ax.texts, strict=True)):
        mine = z[labels == i].detach().numpy()
        assert np.array_equal(np.asarray(points.get_offsets()), mine)
        assert text.get_position() == pytest.approx(np.median(mine, axis=0))
        assert to_rgba(points.get_facecolor()[0])[:3] == pytest.approx(class_colours(3)[i])
    assert ax.get_title(loc="left") == "codes"


def test_plot_codes_leaves_out_a_class_without_a_code():
    _, ax = plt.subplots()
    assert plot_codes(torch.randn(4, 2), torch.tensor([0, 0, 2, 2]), ("a", "b", "c"), ax=ax) is ax
    assert [text.get_text() for text in drawn(ax).texts] == ["a", "c"]


@pytest.mark.parametrize("shape", [(6, 3), (6, 1), (6,), (6, 2, 2)])
def test_plot_codes_refuses_codes_that_are_not_two_numbers(shape):
    with pytest.raises(ValueError, match="two numbers"):
        plot_codes(torch.randn(shape), torch.zeros(6, dtype=torch.long), ("a",))


@pytest.mark.parametrize("names", [("$5_and_$6_{", "b"), ("under $10", "over $10"), ("_old", "new"), ("a\\b", "50 %")])
def test_a_class_s_name_is_shown_as_it_is(names):
    z, labels = torch.randn(6, 2), torch.tensor([0, 0, 0, 1, 1, 1])
    ax = drawn(plot_codes(z, labels, names))
    legend = ax.legend().get_texts()
    drawn(ax)
    for texts in (ax.texts, legend):
        assert tuple(text.get_text().strip("\u200a").replace(r"\$", "$") for text in texts) == names
        assert not any(is_math(text) for text in texts)


def is_math(text: Text) -> bool:
    """Whether matplotlib takes some of it for a formula: "ismath" as its parser says."""
    return text._preprocess_math(text.get_text())[1] is True


def test_characters_that_no_font_has_are_said_once_for_a_script():
    name = "\u1a20\u1a21"  # Tai Tham, which hardly any machine has
    with pytest.warns(UserWarning, match="No font of this machine has the TAI characters") as warned:
        drawn(plot_codes(torch.randn(4, 2), torch.tensor([0, 0, 1, 1]), (name, name)))
    assert len(warned) == 1


def test_a_users_settings_do_not_turn_pictures():
    with mpl.rc_context({"image.origin": "lower", "image.aspect": "auto"}):
        use_course_style()
        x = torch.zeros(2, 1, 4, 4)
        for ax in (show_images(x), show_reconstructions({"a": x})):
            low, high = ax.get_ylim()
            assert low > high  # the first row is above


def test_plot_codes_without_names_leaves_them_to_a_legend():
    labels = torch.arange(3).repeat_interleave(5)
    ax = drawn(plot_codes(torch.randn(15, 2), labels, ("a", "b", "c"), names=False))
    assert not ax.texts
    ax.legend()
    assert [text.get_text() for text in drawn(ax).get_legend().get_texts()] == ["a", "b", "c"]
    for i, points in enumerate(ax.collections):
        assert len(points.get_offsets()) == 5
        assert to_rgba(points.get_facecolor()[0])[:3] == pytest.approx(class_colours(3)[i])


# ---------------------------------------------------------------------------------------------------- plot_precision

RETRIEVED = (1, 10, 100)


def precision(value: float, k: int) -> Precision:
    return Precision(value, value - 0.02, value + 0.03, k=k, of_each_query=np.full(50, value))


def curve(*values: float) -> list[Precision]:
    return [precision(value, k) for value, k in zip(values, RETRIEVED, strict=True)]


def test_plot_precision_draws_the_values_over_the_number_retrieved_within_their_intervals():
    ax = drawn(plot_precision(RETRIEVED, {"tf-idf": curve(0.9, 0.7, 0.4), "code-2": curve(0.5, 0.45, 0.2)}))
    for line, band, values in zip(ax.lines, ax.collections, ((0.9, 0.7, 0.4), (0.5, 0.45, 0.2)), strict=True):
        assert line.get_xdata() == pytest.approx(RETRIEVED)
        assert line.get_ydata() == pytest.approx(values)
        (path,) = band.get_paths()
        corners = {(x, round(y, 6)) for x, y in path.vertices.tolist()}
        edges = {(k, round(value + d, 6)) for k, value in zip(RETRIEVED, values, strict=True) for d in (-0.02, 0.03)}
        assert corners == edges
        assert same_color(to_rgba(band.get_facecolor()[0])[:3], line.get_color())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("number retrieved", "precision")
    assert ax.get_xscale() == "log"
    assert ax.get_ylim() == (0, 1)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "10", "100"]


def test_plot_precision_gives_a_method_its_colour_and_its_kind_a_line():
    names = ("tf-idf", "LSA-2", "LSA-10", "code-2", "code-10", "PCA", "pixels", "deep")
    lines = drawn(plot_precision(RETRIEVED, {name: curve(0.5, 0.4, 0.3) for name in names})).lines
    assert [line.get_label() for line in lines] == list(names)
    assert [line.get_linestyle() for line in lines] == [":", "--", "--", "-", "-", "--", ":", ":"]
    for name, line in zip(names, lines, strict=True):
        assert same_color(line.get_color(), METHOD_COLOURS[name])


def test_plot_precision_names_its_curves_beside_the_axes_and_draws_into_those_it_is_given():
    _, ax = plt.subplots()
    assert plot_precision(RETRIEVED, {"tf-idf": curve(0.9, 0.7, 0.4)}, ax=ax) is ax
    legend = drawn(ax).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["tf-idf"]
    assert legend.get_window_extent().x0 > ax.get_window_extent().x1


def test_plot_precision_gives_no_two_curves_of_a_figure_one_colour():
    names = ("tf-idf", "LSA-2", "LSA-10", "LSA-100 (best)", "code-2", "code-10")
    lines = drawn(plot_precision(RETRIEVED, {name: curve(0.5, 0.4, 0.3) for name in names})).lines
    assert len({to_rgba(line.get_color()) for line in lines}) == len(names)


# --------------------------------------------------------------------------------------------------------- plot_band


def test_plot_band_fills_from_mean_minus_to_mean_plus_half_width():
    _, ax = plt.subplots()
    assert plot_band([1, 2, 3], [10, 20, 15], [1, 2, 0.5], label="deep", ax=ax, marker="s") is ax
    (line,), (band,) = drawn(ax).lines, ax.collections
    assert (line.get_label(), line.get_marker()) == ("deep", "s")
    assert line.get_ydata() == pytest.approx([10, 20, 15])
    (path,) = band.get_paths()
    corners = {tuple(corner) for corner in path.vertices.tolist()}
    assert corners == {(1, 9), (1, 11), (2, 18), (2, 22), (3, 14.5), (3, 15.5)}
    assert same_color(to_rgba(band.get_facecolor()[0])[:3], line.get_color())


# -------------------------------------------------------------------------------------------------------------- style


def test_the_style_draws_digits_grey_and_titles_at_the_left():
    ax = drawn(show_images(torch.rand(2, 1, 4, 4)))
    assert ax.images[0].get_cmap().name == "gray"
    assert ax.images[0].get_interpolation() == "nearest"
    assert ax.figure.get_layout_engine() is not None


def test_the_colours_are_told_apart():
    assert len({to_rgba(colour) for colour in COLOURS}) == len(COLOURS)
    for together in ({"deep", "PCA", "pixels"}, {"tf-idf", "LSA-2", "LSA-10", "code-2", "code-10"}):
        assert len({METHOD_COLOURS[name] for name in together}) == len(together)
    assert len(set(class_colours(10))) == 10
    assert len(set(class_colours(20))) == 20
    assert len(class_colours(25)) == 25
    assert class_colours(20)[:10] == class_colours(10)  # a class keeps its colour where there are more of them
    assert class_colours(25)[20:] == class_colours(5)


def test_signs_that_the_titles_use_have_a_glyph():
    ax = show_images(torch.rand(2, 1, 4, 4), title="1×28×28 · −0.15 … +0.15 → ≈ ≤ ≥ ± ° ↔ ′ ᵀ")
    assert isinstance(drawn(ax).title, Text)


# ---------------------------------------------------------------------------------------------------- shapes of a net


def test_shapes_of_a_net_are_drawn_in_order_to_scale_with_their_numbers():
    ax = plot_shapes({"image": (1, 28, 28), "pooled": (4, 14, 7), "code": torch.Size([30]), "wide": (64, 7, 7)})
    assert [text.get_text() for text in ax.texts] == [
        "image\n1×28×28\n784 numbers",
        "pooled\n4×14×7\n392 numbers",
        "code\n30\nnumbers",
        "wide\n64×7×7\n3,136 numbers",
    ]
    sizes = [(patch.get_width(), patch.get_height()) for patch in ax.patches if patch.get_fill()]
    assert sizes[0] == pytest.approx((1, 1))
    assert sizes[1:5] == [pytest.approx((0.25, 0.5))] * 4
    assert len(sizes) == 1 + 4 + 1 + 10  # of many channels ten are drawn
    lefts = [text.get_position()[0] for text in ax.texts]
    assert lefts == sorted(lefts)
