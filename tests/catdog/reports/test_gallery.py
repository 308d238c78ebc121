"""The gallery: the right pictures at the right places, marked, with no text beyond its place."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog.reports import gallery
from catdog.reports.gallery import Gallery

RIGHT, WRONG, UNKNOWN = (0x1A, 0x7F, 0x37), (0xC4, 0x12, 0x1F), (0xB0, 0xB0, 0xB0)
SIDE = 224 + 2 * 6


def _jpeg(colour: tuple[int, int, int], size: int = 256) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(content, "JPEG", quality=95)
    return content.getvalue()


def _add(made: Gallery, name: str, probability: float, truth: str, predicted: str = "cat") -> None:
    made.add(
        _jpeg((20, 60, 220)), name=name, class_name=predicted, probability=probability, truth=truth
    )


def _drawn(made: Gallery, tmp_path: Path) -> np.ndarray:
    made.write(tmp_path / "g.png")
    with Image.open(tmp_path / "g.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return np.asarray(picture)


def _frames(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    """How many frames of the colour there are: their upper edges, rows that are long and unbroken.

    Letters have no such rows.
    """
    same = (pixels == colour).all(-1)
    edges = np.lib.stride_tricks.sliding_window_view(same, SIDE, axis=1).all(-1)
    upper = edges[1:] & ~edges[:-1]
    # Of a frame, the upper edge and the upper side of the lower one are found.
    assert upper.sum() % 2 == 0
    return int(upper.sum()) // 2


def test_as_many_as_there_are_places_keep_their_order() -> None:
    made = Gallery(4)
    for name, probability, truth in (("a", 0.6, ""), ("b", 0.9, "dog"), ("c", 0.5, "cat")):
        _add(made, name, probability, truth)
    assert made.shown() == ["a", "b", "c"]


def test_of_more_the_surest_of_the_wrong_come_first_and_then_the_least_sure() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (f"{n}", round(float(p), 2), str(truth))
        for n, (p, truth) in enumerate(
            zip(rng.uniform(0.5, 1, 60), rng.choice(["cat", "dog", ""], 60), strict=True)
        )
    ]
    made = Gallery(30)
    for row in rows:
        _add(made, *row)
    wrong = sorted((row for row in rows if row[2] == "dog"), key=lambda row: -row[1])
    others = sorted((row for row in rows if row[2] != "dog"), key=lambda row: row[1])
    assert 5 < len(wrong) < 30
    assert made.shown() == [row[0] for row in [*wrong, *others]][:30]


def test_frames_tell_right_wrong_and_unknown(tmp_path: Path) -> None:
    made = Gallery(9)
    for truth, count in (("cat", 3), ("dog", 2), ("", 1)):
        for number in range(count):
            _add(made, f"{truth}{number}.jpg", 0.7, truth)
    pixels = _drawn(made, tmp_path)
    assert [_frames(pixels, colour) for colour in (RIGHT, WRONG, UNKNOWN)] == [3, 2, 1]


def test_a_colour_is_not_the_only_sign(tmp_path: Path) -> None:
    """A right, a wrong and an unknown picture of one name and prediction differ in their text."""
    below = []
    for predicted, truth in (("cat", "cat"), ("cat", "dog"), ("cat", "")):
        made = Gallery(1)
        _add(made, "x.jpg", 0.7, truth, predicted)
        pixels = _drawn(made, tmp_path)
        first = 20 + np.argmax((pixels[20:, 22] != 255).any(-1) & (pixels[20:, 250] != 255).any(-1))
        line = pixels[first + SIDE + 6 : first + SIDE + 26, 20:60]
        below.append((line < 200).all(-1))
    assert not np.array_equal(below[0], below[1])
    assert not np.array_equal(below[0], below[2])


def test_equal_pictures_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made = Gallery(2)
        for place in range(3):
            _add(made, f"{place}.jpg", 0.5 + place / 10, "dog")
        made.write(tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 7, 24])
def test_the_margin_stays_empty_whatever_the_names_are(tmp_path: Path, count: int) -> None:
    made = Gallery(24)
    names = [
        "norwegian_forest_cat_" * 5,
        "Größe",
        "猫" * 40,
        "a\nb\tc" * 20,
        "\udce9.jpg",
        "W" * 99,
    ]
    for number in range(count):
        _add(
            made,
            f"folder/{names[number % 6]}",
            0.999,
            names[(number + 1) % 6],
            predicted=names[(number + 2) % 6],
        )
    pixels = _drawn(made, tmp_path)
    for edge in (pixels[:19], pixels[-15:], pixels[:, :19], pixels[:, -15:]):
        assert (edge == 255).all()
    gaps = pixels[:, 20 + SIDE : 20 + SIDE + 14] if count > 1 else pixels[:19]
    below_the_title = gaps[80:]
    assert (below_the_title == 255).all(), "a text runs into the gap between two pictures"


def test_a_picture_of_another_size_fills_the_same_square(tmp_path: Path) -> None:
    made = Gallery(1)
    made.add(_jpeg((0, 0, 255), 64), name="a", class_name="cat", probability=1.0, truth="")
    blue = (_drawn(made, tmp_path) == (0, 0, 254)).all(-1).sum()
    assert blue == 224 * 224


def test_shortened_text_keeps_both_ends_and_its_width() -> None:
    font = gallery.typeface(15)
    long = "a very long name of a picture that was taken at the lake.jpeg"
    for width in (40, 80, 236):
        short = gallery.shortened(long, width, font)
        assert font.getlength(short) <= width < font.getlength(long)
        head, _, tail = short.partition("…")
        assert long.startswith(head) and long.endswith(tail)
        assert 0 <= len(head) - len(tail) <= 1
    assert gallery.shortened("cat.jpg", 236, font) == "cat.jpg"
    assert gallery.shortened("cat.jpg", 5, font) == "…"


def test_letters_that_the_font_lacks_are_spelled_out_and_marks_are_not_among_them() -> None:
    font = gallery.typeface(15)
    assert gallery._drawable("猫\n\udce9", font) == "\\u732b\\n\\udce9"
    assert gallery._drawable("a\u0308", font) == "ä"
    assert gallery._drawable("✓✗… é", font) == "✓✗… é"
