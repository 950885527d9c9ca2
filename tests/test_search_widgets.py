"""What the search widgets find, say and draw, and what a browser may send them. A real browser: tests/browser."""

import base64
import html
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from in_kernel import Kernel, kernel
from PIL import Image
from scipy import ndimage
from torch import Tensor

from course_utils.data import ImageData, TextData
from course_utils.plotting import COLOURS
from course_utils.retrieval import CodeSearch
from course_utils.text import BagOfWords
from course_utils.widgets import ImageSearchExplorer, LiveFigure, TextSearchExplorer
from course_utils.widgets.pointer import DrawingPad, PictureChooser


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def in_colour(png: bytes, colour: str) -> int:
    """How many pixels of the picture have that colour (#rrggbb)."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(pixels(png).astype(int) - wanted) < 3).all(axis=2).sum())


# -------------------------------------------------------------------------------------------------- texts by the dozen

TOPICS = {"fruit": ("apple", "banana", "cherry"), "ships": ("anchor", "harbour", "sail"), "stars": ("comet", "nebula")}
WORDS = sorted(word for words in TOPICS.values() for word in words)
N_TRAIN, N_TEST = 24, 6


def some_texts(n: int, seed: int) -> tuple[tuple[str, ...], Tensor]:
    """Documents that use every word, those of their topic more often; no two are equally near to anything."""
    rng, labels = np.random.default_rng(seed), torch.arange(n) % len(TOPICS)
    texts = []
    for label in labels:
        own = list(TOPICS.values())[label]
        texts.append(" ".join(f"{word} " * (rng.integers(1, 20) + (20 if word in own else 0)) for word in WORDS))
    return tuple(texts), labels


def small_corpus(**changes: object) -> TextData:
    (train_texts, train_labels), (test_texts, test_labels) = some_texts(N_TRAIN, 0), some_texts(N_TEST, 1)
    parts = {
        "name": "small",
        "train_texts": train_texts, "train_titles": tuple(f"found {i}" for i in range(N_TRAIN)),
        "train_labels": train_labels,
        "test_texts": test_texts, "test_titles": tuple(f"asked {i}" for i in range(N_TEST)),
        "test_labels": test_labels,
        "topic_names": tuple(TOPICS), "source": "Made here.",
    }  # fmt: skip
    return TextData(**parts | changes)


PROJECTION = np.random.default_rng(2).normal(size=(len(WORDS), 2)).astype(np.float32)


def on_the_map(counts) -> Tensor:
    """Two numbers a document, of which its length is no part."""
    counts = counts.toarray()
    return torch.from_numpy(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) @ PROJECTION)


def explorer_of(corpus: TextData, *, maps: tuple[str, ...] = ("map",), query: str = "") -> TextSearchExplorer:
    bag = BagOfWords(100).fit(corpus.train_texts)
    counts = bag.transform(corpus.train_texts)
    searches = {
        "words": CodeSearch(lambda counts: counts, counts),
        "map": CodeSearch(on_the_map, counts, metric="euclidean"),
    }
    return TextSearchExplorer(corpus, bag, searches, maps=maps, query=query)


@pytest.fixture
def corpus():
    return small_corpus()


@pytest.fixture
def texts(corpus):
    return explorer_of(corpus)


def counts_of(text: str) -> np.ndarray:
    """How often each word of the vocabulary stands in the text, counted by Python."""
    words = text.split()
    return np.array([words.count(word) for word in WORDS], dtype=np.float64)


def nearest(text: str, corpus: TextData) -> dict[str, list[int]]:
    """The eight documents that each method must find, by the textbook."""
    query, collection = counts_of(text), np.array([counts_of(train_text) for train_text in corpus.train_texts])
    cosines = collection @ query / np.linalg.norm(collection, axis=1)
    shares = [counts / counts.sum() @ PROJECTION for counts in (query, *collection)]
    distances = np.linalg.norm(shares[0] - np.array(shares[1:]), axis=1)
    return {"words": np.argsort(-cosines)[:8].tolist(), "map": np.argsort(distances)[:8].tolist()}


def columns(explorer: TextSearchExplorer) -> dict[str, list[tuple[bool, str, str]]]:
    """Of each method, the results as they stand in its column: with ✓ or without, topic, title."""
    found = {}
    for column in re.findall(r"<td[^>]*>(.*?)</td>", explorer.readout.value, re.DOTALL):
        lines = re.findall(r"<div[^>]*>(✓ )?<span[^>]*>(.*?)</span> (.*?)</div>", column, re.DOTALL)
        name = html.unescape(re.search(r"<b>(.*?)</b>", column)[1])
        found[name] = [(bool(tick), html.unescape(topic), html.unescape(title)) for tick, topic, title in lines]
    return found


def says(explorer: LiveFigure) -> str:
    """The text below the picture as it is read, without the columns."""
    return html.unescape(re.sub(r"<[^>]+>", "", explorer.readout.value.partition("<table")[0])).strip()


def around_and_cross(explorer: TextSearchExplorer, name: str = "map") -> tuple[np.ndarray, np.ndarray]:
    """Where on a map the found ones are encircled, and where the cross stands: `(n, 2)` each."""
    around, cross = explorer._marks[name]
    return around.get_xydata(), cross.get_xydata()


# --------------------------------------------------------------------------------------------------- a query is typed


@pytest.mark.parametrize("query", ["apple", "comet nebula", "Sail, SAIL anchor!", "banana harbour comet"])
def test_a_typed_query_finds_what_the_textbook_finds_each_with_its_topic(query, corpus, texts):
    texts.query.value = query
    read = " ".join(re.findall("[a-z]+", query.lower()))
    for name, expected in nearest(read, corpus).items():
        topics = [corpus.topic_names[corpus.train_labels[i]] for i in expected]
        assert columns(texts)[name] == [(False, topic, f"found {i}") for topic, i in zip(topics, expected, strict=True)]
    assert says(texts) == f"Searched for: {', '.join(dict.fromkeys(read.split()))}."
    assert " right" not in texts.readout.value  # a typed query has no topic


def test_on_the_map_the_found_ones_are_encircled_and_the_cross_stands_where_the_query_is(corpus, texts):
    query = "apple banana cherry anchor harbour sail comet nebula"
    texts.query.value = query
    around, cross = around_and_cross(texts)
    codes = on_the_map(texts._bag.transform(corpus.train_texts)).numpy()
    assert around == pytest.approx(codes[nearest(query, corpus)["map"]])
    assert cross == pytest.approx((counts_of(query) / 8 @ PROJECTION)[None], abs=1e-6)


def test_beyond_the_edge_of_the_map_the_cross_stands_at_the_edge(texts):
    ax = texts._marks["map"][1].axes
    texts.query.value = "apple"
    x, y = PROJECTION[WORDS.index("apple")]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert not (left <= x <= right and bottom <= y <= top)
    ((shown_x, shown_y),) = around_and_cross(texts)[1]
    assert (shown_x, shown_y) == pytest.approx((min(max(x, left), right), min(max(y, bottom), top)))


def test_another_query_brings_another_picture_and_the_first_one_the_first_picture_back(texts):
    all_words = " ".join(WORDS)
    pictures, readouts = [], []
    for query in (all_words, f"{all_words} apple", f"{all_words} apple sail", all_words):
        texts.query.value = query
        pictures.append(bytes(texts.picture.value))
        readouts.append(texts.readout.value)
    assert len(set(pictures)) == len(set(readouts)) == 3
    assert (pictures[0], readouts[0]) == (pictures[-1], readouts[-1])


def test_the_query_of_the_constructor_is_asked_at_once(corpus):
    explorer = explorer_of(corpus, query="apple")
    assert says(explorer) == "Searched for: apple."
    assert [title for _, _, title in columns(explorer)["words"]] == [
        f"found {i}" for i in nearest("apple", corpus)["words"]
    ]


@pytest.mark.parametrize("query", ["", "   ", "\t"])
def test_an_empty_query_asks_for_one(query, texts):
    texts.query.value = query or "x"
    texts.query.value = query
    assert says(texts) == "Type a query, or move the slider."
    assert columns(texts) == {"words": [], "map": []}


def test_a_misspelt_word_is_named_in_view_with_what_may_have_been_meant(texts):
    texts.query.value = "bananna sail"
    assert says(texts) == "Searched for: sail. Not in the vocabulary: “bananna”; near it: banana."
    assert len(columns(texts)["words"]) == 8


def test_where_no_word_is_known_that_is_said_and_nothing_is_found(texts):
    texts.query.value = "zzyzx"
    assert "No word of this query is in the vocabulary: there is nothing to search for." in says(texts)
    assert "“zzyzx”" in says(texts)
    assert columns(texts) == {"words": [], "map": []}


@pytest.mark.parametrize("query", ["zzyzx", ""])
def test_of_the_query_before_nothing_is_left_where_nothing_is_found(query, corpus):
    explorer = explorer_of(corpus)
    first = explorer.picture.value
    explorer.query.value = "apple"
    assert explorer.picture.value != first
    explorer.query.value = query
    assert explorer.picture.value == first


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        ("apple " * 170_000, "Searched for: apple. Only the first 2,000 words were read."),
        ("q" * 1_000_000, "Not in the vocabulary: “" + "q" * 30 + "…”."),
        (" ".join(f"{a}{b}{c}{d}" for a in "qxyz" for b in "qxyzw" for c in "qxyzwk" for d in "qxyzwkj") * 250,
         "more unknown words."),
        ("<b>" * 340_000, "No word of this query is in the vocabulary"),
    ],
    ids=["one word often", "one long word", "many unknown words", "tags"],
)  # fmt: skip
def test_a_query_of_a_megabyte_is_answered_in_a_few_lines(query, notice, texts):
    assert len(query) > 900_000
    texts.query.value = query
    assert notice in says(texts)
    assert len(says(texts)) < 1_000


# ------------------------------------------------------------------------------------------------ a document is picked


@pytest.mark.parametrize("i", range(N_TEST))
def test_a_picked_document_s_right_results_are_ticked_and_counted(i, corpus, texts):
    texts.document.value = i
    truth = corpus.test_labels[i].item()
    assert says(texts) == f"text {i}: asked {i} {corpus.topic_names[truth]}"
    for name, expected in nearest(corpus.test_texts[i], corpus).items():
        lines = columns(texts)[name]
        assert [title for _, _, title in lines] == [f"found {j}" for j in expected]
        assert [tick for tick, _, _ in lines] == [corpus.train_labels[j] == truth for j in expected]
        n_right = sum(tick for tick, _, _ in lines)
        assert f"<b>{name}</b> <small>{n_right} of 8 right</small>" in texts.readout.value


def test_right_and_wrong_results_both_occur_in_the_test_above(corpus):
    share = [
        (corpus.train_labels[nearest(text, corpus)[name]] == label).double().mean().item()
        for text, label in zip(corpus.test_texts, corpus.test_labels, strict=True)
        for name in ("words", "map")
    ]
    assert 0.3 < np.mean(share) < 1
    assert len(set(share)) > 1


def test_what_was_touched_last_is_what_is_asked(texts):
    texts.query.value = "apple"
    texts.document.value = 2
    assert says(texts).startswith("text 2: ")
    texts.query.value = "apple s"
    assert texts.document.value == -1
    assert says(texts).startswith("Searched for: apple.")
    texts.document.value = 0
    assert says(texts).startswith("text 0: ")
    texts.document.value = -1  # the slider's start: back to what stands in the box
    assert says(texts).startswith("Searched for: apple.")


def test_typing_while_a_document_is_picked_computes_the_answer_once(texts, monkeypatch):
    texts.document.value = 2
    answers = []
    refresh = texts.refresh
    monkeypatch.setattr(texts, "refresh", lambda: (answers.append(texts.query.value), refresh()))
    texts.query.value = "sail"
    assert answers == ["sail"]


def test_an_emptied_query_leaves_the_picked_document(texts):
    texts.query.value = "apple"
    texts.document.value = 2
    texts.query.value = ""
    assert texts.document.value == 2
    assert says(texts).startswith("text 2: ")


def test_a_picked_document_without_a_known_word_is_said_to_have_none():
    explorer = explorer_of(small_corpus(test_texts=("zzyzx", *some_texts(N_TEST, 1)[0][1:])))
    explorer.document.value = 0
    assert "None of its words is in the vocabulary: there is nothing to search for." in says(explorer)
    assert columns(explorer) == {"words": [], "map": []}
    assert " right" not in explorer.readout.value


def test_the_slider_reaches_every_test_document_and_starts_before_them(texts):
    assert (texts.document.min, texts.document.value, texts.document.max) == (-1, -1, N_TEST - 1)


def test_of_a_small_collection_everything_is_found(corpus):
    texts, labels = some_texts(3, 0)
    small = small_corpus(train_texts=texts, train_labels=labels, train_titles=("a", "b", "c"))
    explorer = explorer_of(small)
    explorer.document.value = 1
    assert {name: len(lines) for name, lines in columns(explorer).items()} == {"words": 3, "map": 3}
    assert explorer.readout.value.count("<small>1 of 3 right</small>") == 2


def test_of_a_dotted_name_the_last_two_parts_are_shown_and_of_a_title_with_spaces_all():
    titles = ("package.module.Class.method", "A title. With a full stop", *(f"found {i}" for i in range(2, N_TRAIN)))
    explorer = explorer_of(
        small_corpus(train_titles=titles, train_texts=("apple", "apple sail", *some_texts(22, 0)[0]))
    )
    explorer.query.value = "apple"
    assert [title for _, _, title in columns(explorer)["words"][:2]] == ["Class.method", "A title. With a full stop"]


# ----------------------------------------------------------------------------------- nothing of a corpus becomes markup


class Tags(HTMLParser):
    """The elements of a page, and their attributes' names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


NASTY = "\"><img src=x onerror=alert(1)>&amp;'<script>alert(2)</script>"


@pytest.mark.parametrize("ask", ["type", "pick"])
def test_markup_in_titles_texts_topics_and_names_is_shown_as_it_is_written(ask):
    texts, _ = some_texts(N_TRAIN, 0)
    nasty = small_corpus(
        train_titles=(f"{NASTY} title",) * N_TRAIN, train_texts=tuple(f"{NASTY} {text}" for text in texts),
        test_titles=(f"{NASTY} asked",) * N_TEST, topic_names=(f"{NASTY} topic", "b", "c"),
    )  # fmt: skip
    bag = BagOfWords(100).fit(nasty.train_texts)
    search = CodeSearch(lambda counts: counts, bag.transform(nasty.train_texts))
    explorer = TextSearchExplorer(nasty, bag, {f"{NASTY} name": search})
    if ask == "type":
        explorer.query.value = f"apple {NASTY}"
    else:
        explorer.document.value = 0
        assert f"{NASTY} asked" in says(explorer)
    page = Tags(explorer.readout.value)
    assert page.tags <= {"div", "table", "tr", "td", "b", "small", "span"}
    assert page.attributes == {"style", "title"}
    ((name, lines),) = columns(explorer).items()
    assert name == f"{NASTY} name"
    assert {title for _, _, title in lines} == {f"{NASTY} title"}
    assert f"{NASTY} topic" in {topic for _, topic, _ in lines}
    tips = [html.unescape(tip) for tip in re.findall(r'<div title="([^"]*)"', explorer.readout.value)]
    assert all(tip.startswith(NASTY) and len(tip) <= 300 for tip in tips)


@pytest.mark.parametrize("query", [NASTY, "<b>zzyzx</b>", "&lt;zzyzx&gt;", 'zzyzx" onmouseover="alert(1)'])
def test_markup_in_a_query_stays_a_query(query, texts):
    texts.query.value = query
    page = Tags(texts.readout.value)
    assert page.tags <= {"div", "table", "tr", "td", "b", "small", "span"}
    assert page.attributes <= {"style", "title"}


# ------------------------------------------------------------------------------------- what the constructor is given


def test_without_maps_there_are_only_the_columns_and_hardly_a_picture(corpus):
    explorer = explorer_of(corpus, maps=())
    explorer.query.value = "apple"
    assert len(columns(explorer)["words"]) == len(columns(explorer)["map"]) == 8
    assert pixels(explorer.picture.value).shape[0] < 50


def test_no_method_and_a_map_of_none_of_the_methods_are_refused(corpus):
    bag = BagOfWords(100).fit(corpus.train_texts)
    search = CodeSearch(lambda counts: counts, bag.transform(corpus.train_texts))
    with pytest.raises(ValueError, match="there are none"):
        TextSearchExplorer(corpus, bag, {})
    with pytest.raises(ValueError, match=r"maps must name some of the searches \(words\)"):
        TextSearchExplorer(corpus, bag, {"words": search}, maps=("LSA-2",))


def test_a_map_of_codes_that_are_not_two_numbers_is_refused(corpus):
    with pytest.raises(ValueError, match="codes of two numbers"):
        explorer_of(corpus, maps=("map", "words"))


def test_a_bag_without_a_vocabulary_is_refused(corpus):
    counts = BagOfWords(100).fit(corpus.train_texts).transform(corpus.train_texts)
    search = CodeSearch(lambda counts: counts, counts)
    with pytest.raises(ValueError, match="call fit"):
        TextSearchExplorer(corpus, BagOfWords(100), {"words": search})


def test_a_search_over_other_texts_is_refused(corpus):
    bag = BagOfWords(100).fit(corpus.train_texts)
    search = CodeSearch(lambda counts: counts, bag.transform(corpus.test_texts))
    with pytest.raises(ValueError, match=f"{N_TEST}.*{N_TRAIN}|{N_TRAIN}.*{N_TEST}"):
        TextSearchExplorer(corpus, bag, {"words": search})


# ------------------------------------------------------------------------------------------------- images by the dozen

CLASSES = ("zero", "one", "<two>")
VERMILLION = COLOURS[1]


def some_images(n: int, shape: tuple[int, int, int], seed: int) -> tuple[Tensor, Tensor]:
    """Noisy images of three classes, which their neighbours often are not of."""
    generator, labels = torch.Generator().manual_seed(seed), torch.arange(n) % 3
    means = torch.rand(3, *shape, generator=torch.Generator().manual_seed(9))
    return (0.15 * means[labels] + 0.8 * torch.rand(n, *shape, generator=generator)).clamp(0, 0.9), labels


def image_data(shape: tuple[int, int, int], *, n_train: int = 40, n_test: int = 12) -> ImageData:
    (train_images, train_labels), (test_images, test_labels) = (
        some_images(n, shape, seed) for seed, n in enumerate((n_train, n_test))
    )
    return ImageData(
        name="noise", train_images=train_images, train_labels=train_labels, test_images=test_images,
        test_labels=test_labels, class_names=CLASSES, source="Made here.",
    )  # fmt: skip


def image_explorer(data: ImageData) -> ImageSearchExplorer:
    searches = {
        "pixels": CodeSearch(lambda x: x.flatten(1), data.train_images, metric="euclidean"),
        "top <half>": CodeSearch(lambda x: x[..., :4, :].flatten(1), data.train_images, metric="euclidean"),
    }
    return ImageSearchExplorer(data, searches)


@pytest.fixture(scope="module")
def noise():
    return image_data((1, 28, 28))


@pytest.fixture(scope="module")
def colours():
    return image_data((3, 8, 6), n_train=25, n_test=40)


@pytest.fixture
def images(noise):
    return image_explorer(noise)


def choose(explorer: ImageSearchExplorer, i: int) -> None:
    """As the browser does after a click."""
    explorer.chooser.set_state({"chosen": i, "n_sent": explorer.chooser.n_sent + 1})


def draw(explorer: ImageSearchExplorer, drawing: np.ndarray | bytes) -> None:
    """As the browser does after a stroke."""
    data = drawing if isinstance(drawing, bytes) else drawing.astype(np.uint8).tobytes()
    explorer.pad.set_state({"drawing": memoryview(data), "n_sent": explorer.pad.n_sent + 1})


def nearest_images(image: np.ndarray, data: ImageData, *, n_rows: int | None = None, k: int = 10) -> list[int]:
    differences = (data.train_images.double().numpy() - image)[..., :n_rows, :]
    return np.argsort(np.square(differences).sum(axis=(1, 2, 3)))[:k].tolist()


def check_images(explorer: ImageSearchExplorer, image: np.ndarray, data: ImageData, *, truth: int | None) -> str:
    """The image, its neighbours, their frames, and the line of text; returns what the line says was asked."""
    image = image.astype(np.float64)
    _, h, w = image.shape
    np.testing.assert_allclose(explorer._asked.get_array(), np.broadcast_to(image, (3, h, w)).transpose(1, 2, 0))
    what, _, verdict = explorer.readout.value.partition(": ")
    for name, n_rows in (("pixels", None), ("top <half>", 4)):
        row = np.asarray(explorer._rows[name].get_array())
        found = nearest_images(image, data, n_rows=n_rows)
        assert row.shape == (h + 4, 10 * (w + 4), 3)
        n_wrong = 0
        for place, i in enumerate(found):
            framed = row[:, place * (w + 4) : (place + 1) * (w + 4)]
            shown = np.broadcast_to(data.train_images[i].numpy(), (3, h, w)).transpose(1, 2, 0)
            np.testing.assert_allclose(framed[2:-2, 2:-2], shown)
            wrong = truth is not None and data.train_labels[i] != truth
            frame = tuple(int(VERMILLION[i : i + 2], 16) / 255 for i in (1, 3, 5)) if wrong else (1, 1, 1)
            for edge in (framed[:2], framed[-2:], framed[:, :2], framed[:, -2:]):
                np.testing.assert_allclose(edge, np.broadcast_to(frame, edge.shape), atol=1e-6)
            n_wrong += int(wrong)
        if truth is not None:
            assert f"{html.escape(name)} <b>{n_wrong}</b> of 10 wrong" in verdict
    return what


# --------------------------------------------------------------------------------------------------- a picture is asked


@pytest.mark.parametrize("i", [0, 1, 5, 11])
def test_a_chosen_picture_s_neighbours_are_shown_and_those_of_another_class_framed(i, noise, images):
    choose(images, i)
    truth = noise.test_labels[i].item()
    what = check_images(images, noise.test_images[i].numpy(), noise, truth=truth)
    assert what == f"“{html.escape(CLASSES[truth])}”, shifted by (0, 0)"
    assert in_colour(images.picture.value, VERMILLION) > 100


def test_wrong_answers_are_neither_none_nor_all(noise, images):
    n_wrong = []
    for i in range(12):
        choose(images, i)
        n_wrong += [int(n) for n in re.findall(r"<b>(\d+)</b> of 10 wrong", images.readout.value)]
    assert len(n_wrong) == 24
    assert 1 < np.mean(n_wrong) < 9


@pytest.mark.parametrize(("dx", "dy"), [(1, 0), (0, 1), (-4, 4), (3, -2), (4, 4)])
def test_the_sliders_shift_the_query_by_whole_pixels_and_what_moves_in_is_black(dx, dy, noise, images):
    choose(images, 3)
    images.dx.value, images.dy.value = dx, dy
    shifted = ndimage.shift(noise.test_images[3].numpy(), (0, dy, dx), order=0, mode="constant", cval=0)
    assert check_images(images, shifted, noise, truth=0) == f"“zero”, shifted by ({dx}, {dy})"


def test_each_control_brings_another_picture_and_its_first_value_the_first_picture_back(images):
    first = images.picture.value, images.readout.value
    for slider in (images.dx, images.dy):
        slider.value = 2
        assert images.picture.value != first[0]
        slider.value = 0
        assert (images.picture.value, images.readout.value) == first
    choose(images, 4)
    assert images.picture.value != first[0]
    choose(images, 0)
    assert (images.picture.value, images.readout.value) == first


@pytest.mark.parametrize(("sent", "asked"), [(12, 11), (1_000_000, 11)])
def test_a_choice_beyond_the_last_picture_is_the_last(sent, asked, noise, images):
    choose(images, sent)
    check_images(images, noise.test_images[asked].numpy(), noise, truth=noise.test_labels[asked].item())


def test_thirty_pictures_of_the_test_set_are_offered(images, colours):
    assert images.chooser.n == 12
    assert image_explorer(colours).chooser.n == 30


def test_colour_images_are_searched_and_shown_in_colour(colours):
    explorer = image_explorer(colours)
    choose(explorer, 29)
    check_images(explorer, colours.test_images[29].numpy(), colours, truth=2)
    explorer.dx.value = -2
    shifted = ndimage.shift(colours.test_images[29].numpy(), (0, 0, -2), order=0)
    check_images(explorer, shifted, colours, truth=2)


# ----------------------------------------------------------------------------------------------------- a digit is drawn

A_STROKE = np.zeros((28, 28))
A_STROKE[4:24, 13:16] = 255


def test_a_drawing_is_searched_for_and_nothing_is_wrong_until_one_says_what_it_is(noise, images):
    draw(images, A_STROKE)
    assert images.chooser.chosen == -1
    assert check_images(images, A_STROKE[None] / 255, noise, truth=None) == "a drawing, shifted by (0, 0)"
    assert "say what you drew, and the wrong ones are framed" in images.readout.value
    assert in_colour(images.picture.value, VERMILLION) == 0
    for truth in (0, 1, 2):
        images.drawn_class.value = truth
        check_images(images, A_STROKE[None] / 255, noise, truth=truth)
    assert in_colour(images.picture.value, VERMILLION) > 100
    images.drawn_class.value = -1
    assert in_colour(images.picture.value, VERMILLION) == 0


def test_a_drawing_is_shifted_as_a_picture_is(noise, images):
    draw(images, A_STROKE)
    images.dx.value, images.dy.value = 4, -3
    shifted = ndimage.shift(A_STROKE[None] / 255, (0, -3, 4), order=0)
    assert check_images(images, shifted, noise, truth=None) == "a drawing, shifted by (4, -3)"


def test_the_said_class_is_that_of_the_drawing_alone(noise, images):
    images.drawn_class.value = 1
    choose(images, 0)
    check_images(images, noise.test_images[0].numpy(), noise, truth=0)


def test_a_click_after_a_drawing_asks_with_the_picture_and_a_stroke_after_it_with_the_drawing(noise, images):
    draw(images, A_STROKE)
    choose(images, 2)
    check_images(images, noise.test_images[2].numpy(), noise, truth=2)
    draw(images, A_STROKE.T)
    check_images(images, A_STROKE.T[None] / 255, noise, truth=None)


def test_the_classes_to_say_are_those_of_the_data_and_none_is_said_at_first(images):
    assert images.drawn_class.options == (("I do not say", -1), ("zero", 0), ("one", 1), ("<two>", 2))
    assert images.drawn_class.value == -1


def within(box: object) -> list[object]:
    """Every widget inside, however deep."""
    return [inner for child in getattr(box, "children", ()) for inner in (child, *within(child))]


@pytest.mark.parametrize("shape", [(3, 28, 28), (1, 28, 27), (1, 8, 8)])
def test_the_pad_is_there_for_grey_images_of_28_by_28_alone(shape, images):
    assert images.pad in within(images)
    without = image_explorer(image_data(shape))
    assert without.pad is None
    assert not any(isinstance(control, DrawingPad) for control in within(without))


def test_without_a_pad_nobody_is_asked_what_was_drawn(colours):
    explorer = image_explorer(colours)
    assert explorer.drawn_class not in within(explorer)


def test_without_a_pad_there_is_no_drawing(colours):
    explorer = image_explorer(colours)
    choose(explorer, -1)
    assert "a drawing" not in explorer.readout.value


# --------------------------------------------------------------------------------------- what the constructor is given


def test_a_comparison_of_nothing_is_refused(noise):
    with pytest.raises(ValueError, match="no method"):
        ImageSearchExplorer(noise, {})


def test_a_search_over_other_images_is_refused(noise):
    search = CodeSearch(lambda x: x.flatten(1), noise.test_images, metric="euclidean")
    with pytest.raises(ValueError, match=r"12.*40|40.*12"):
        ImageSearchExplorer(noise, {"pixels": search})


def test_of_a_small_collection_everything_is_found_in_images(noise):
    small = image_explorer(image_data((1, 28, 28), n_train=4))
    assert small.readout.value.count(" of 4 wrong") == 2


def test_few_results_keep_their_shape(noise):
    small = image_explorer(image_data((1, 28, 28), n_train=4))
    row = small._rows["pixels"]
    height, width = row.get_array().shape[:2]
    left, right, bottom, top = row.get_extent()
    assert (right - left) / width == pytest.approx(abs(bottom - top) / height)


# ---------------------------------------------------------------------------------------------- the pointer's messages


def test_the_pad_s_bytes_are_the_image_row_by_row():
    pad, drawing = DrawingPad(), np.arange(784).reshape(28, 28) % 256
    assert pad.image.shape == (1, 1, 28, 28)
    assert not pad.image.any()
    pad.set_state({"drawing": memoryview(drawing.astype(np.uint8).tobytes())})
    assert pad.image.dtype == torch.float32
    np.testing.assert_allclose(pad.image[0, 0], drawing / 255, rtol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 783, 785, 4 * 784, 1_000_000])
def test_bytes_that_are_no_drawing_are_a_black_image(n, noise, images):
    draw(images, A_STROKE)
    draw(images, b"\xff" * n)
    assert not images.pad.image.any()
    check_images(images, np.zeros((1, 28, 28)), noise, truth=None)


@pytest.mark.parametrize("control", ["pad", "chooser"])
def test_every_message_is_answered_once_after_it_was_handled(control, images, monkeypatch):
    widget, answered_before = getattr(images, control), []
    refresh = images.refresh
    monkeypatch.setattr(images, "refresh", lambda: (answered_before.append(widget.n_answered), refresh()))
    for n in (1, 2, 3):
        widget.set_state({"n_sent": n})
        assert widget.n_answered == n
    assert answered_before == [0, 1, 2]


@pytest.mark.parametrize("widget", [DrawingPad(), PictureChooser(torch.rand(2, 1, 4, 4))], ids=["pad", "chooser"])
def test_a_message_is_answered_even_where_the_handler_fails(widget):
    def fails():
        raise RuntimeError("deliberate")

    widget.on_input(fails)
    for n in (1, 2):
        with pytest.raises(RuntimeError, match="deliberate"):
            widget.set_state({"n_sent": n})
        assert widget.n_answered == n


def test_what_the_pad_sent_is_there_when_the_handler_is_called():
    pad, seen = DrawingPad(), []
    pad.on_input(lambda: seen.append(pad.image.sum().item()))
    pad.set_state({"n_sent": 1, "drawing": memoryview(b"\xff" * 784)})
    assert seen == [784]


@pytest.mark.parametrize("shape", [(7, 1, 5, 5), (7, 3, 5, 5)])
def test_the_chooser_s_picture_has_the_images_row_by_row(shape):
    images = torch.randint(256, shape) / 255
    chooser = PictureChooser(images, n_columns=3)
    assert (chooser.n, chooser.n_columns, chooser.chosen) == (7, 3, 0)
    grid = pixels(chooser.png)
    assert grid.shape == (15, 15, 3)
    for i, image in enumerate(images):
        row, column = 5 * (i // 3), 5 * (i % 3)
        shown = grid[row : row + 5, column : column + 5].transpose(2, 0, 1) / 255
        np.testing.assert_allclose(shown, image.expand(3, -1, -1), atol=1.01 / 255)
    assert not grid[10:, 5:].any()


def test_the_chooser_s_greys_are_those_of_the_images():
    greys = torch.arange(256).view(1, 1, 16, 16)
    shown = pixels(PictureChooser(greys / 255, n_columns=1).png)[..., 0]
    np.testing.assert_array_equal(shown, greys[0, 0])


def test_values_beyond_black_and_white_do_not_wrap_around():
    grid = pixels(PictureChooser(torch.tensor([-0.5, 1.5]).view(2, 1, 1, 1), n_columns=2).png)
    assert grid[0, :, 0].tolist() == [0, 255]


def test_a_choice_among_nothing_is_refused():
    with pytest.raises(ValueError, match=r"\(0, 1, 4, 4\)"):
        PictureChooser(torch.rand(0, 1, 4, 4))


def test_nothing_is_fetched_by_the_controls_scripts():
    for widget in (DrawingPad, PictureChooser):
        script = widget._esm if isinstance(widget._esm, str) else str(widget._esm)
        assert "export default" in script
        assert not re.search(r"https?:|\bimport\b|fetch\(|XMLHttp|WebSocket", script)


# ------------------------------------------------------------------------------------------------------- both explorers


@pytest.fixture(params=["texts", "images"])
def explorer(request):
    return request.getfixturevalue(request.param)


def act(explorer: LiveFigure) -> None:
    if isinstance(explorer, TextSearchExplorer):
        explorer.query.value = "harbour"
    else:
        choose(explorer, 5)


def test_the_bundle_holds_the_view_and_a_still_picture_which_follows_the_controls(explorer):
    before = explorer._repr_mimebundle_()
    act(explorer)
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert json.loads(json.dumps(bundle)) == bundle
    assert bundle["text/plain"].startswith(f"{type(explorer).__name__}: ")
    assert bundle["text/plain"] != before["text/plain"]
    assert bundle["image/png"] != before["image/png"]
    still = base64.b64decode(bundle["image/png"], validate=True)
    assert np.array_equal(pixels(still), pixels(explorer.picture.value))


def test_the_text_for_a_reader_without_a_kernel_has_no_entities():
    explorer = explorer_of(small_corpus(test_titles=("it's A & B",) * N_TEST))
    explorer.document.value = 0
    assert "it's A & B" in explorer._repr_mimebundle_()["text/plain"]


def test_the_picture_is_as_wide_as_it_is_shown(explorer):
    height, width, _ = pixels(explorer.picture.value).shape
    assert explorer.picture.layout.width == f"{width}px"
    assert 100 < height < width


def test_outside_a_notebook_an_error_in_a_callback_is_raised(explorer):
    def update():
        raise RuntimeError("deliberate")

    explorer.update = update
    with pytest.raises(RuntimeError, match="deliberate"):
        act(explorer)


FAILING_WIDGETS = """
import torch
from course_utils.data import ImageData, TextData
from course_utils.retrieval import CodeSearch
from course_utils.text import BagOfWords
from course_utils.widgets import ImageSearchExplorer, TextSearchExplorer

labels, names = torch.tensor([0, 1]), ("a", "b")
corpus = TextData("tiny", ("apple", "sail"), names, labels, ("apple", "sail"), names, labels, names, "Made here.")
bag = BagOfWords().fit(corpus.train_texts)
texts = TextSearchExplorer(corpus, bag, {"words": CodeSearch(lambda c: c, bag.transform(corpus.train_texts))})
x = torch.rand(2, 1, 28, 28)
data = ImageData("tiny", x, labels, x, labels, names, "Made here.")
images = ImageSearchExplorer(data, {"pixels": CodeSearch(lambda x: x.flatten(1), x)})

def fails():
    raise RuntimeError("deliberate")
"""


@pytest.fixture(scope="module")
def one_kernel() -> Iterator[Kernel]:
    with kernel() as started:
        yield started


@pytest.mark.long
@pytest.mark.parametrize(
    ("widget", "move", "move_again"),
    [
        ("texts", "texts.query.value = 'apple'", "texts.query.value = 'sail'"),
        ("texts", "texts.document.value = 0", "texts.document.value = 1"),
        ("images", "images.dx.value = 1", "images.dx.value = 2"),
        ("images", "images.pad.set_state({'n_sent': 1}); assert images.pad.n_answered == 1",
         "images.pad.set_state({'n_sent': 2}); assert images.pad.n_answered == 2"),
        ("images", "images.chooser.set_state({'chosen': 1, 'n_sent': 1}); assert images.chooser.n_answered == 1",
         "images.chooser.set_state({'chosen': 0, 'n_sent': 2}); assert images.chooser.n_answered == 2"),
    ],
    ids=["query", "document", "shift", "pad", "chooser"],
)  # fmt: skip
def test_an_error_in_a_callback_is_kept_below_the_picture_until_the_next_move(one_kernel, widget, move, move_again):
    failing = f"update, {widget}.update = {widget}.update, fails\n{move}"
    kept = f"(output,) = {widget}.errors.outputs\n" + (
        "assert (output['output_type'], output['ename'], output['evalue']) == ('error', 'RuntimeError', 'deliberate')"
    )
    healed = f"{widget}.update = update\n{move_again}"
    assert one_kernel.run(FAILING_WIDGETS, failing, kept, healed) == []
