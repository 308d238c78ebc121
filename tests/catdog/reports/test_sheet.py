"""A sheet shows its pictures as they are, its text uncut and apart, and has equal bytes twice."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog.reports import sheet
from catdog.reports.sheet import Cell

SIDE = 100
WHITE = 255

LONG = "PetImages/Dog/" + "a very long name of a file " * 6 + ".jpg"


def coloured(side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 200, (side, side, 3), dtype=np.uint8)


def of(rows: list[list[Cell]], **options: object) -> np.ndarray:
    return np.asarray(sheet.drawn(rows, side=SIDE, **options))  # type: ignore[arg-type]


def ink_around(found: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Where the sheet is not white, without the one place that holds the picture."""
    rest = found.astype(int).copy()
    for top in range(found.shape[0] - SIDE + 1):
        for left in range(found.shape[1] - SIDE + 1):
            if np.array_equal(found[top, left], image[0, 0]) and np.array_equal(
                found[top : top + SIDE, left : left + SIDE], image
            ):
                rest[top : top + SIDE, left : left + SIDE] = WHITE
                return (rest != WHITE).any(-1)
    raise AssertionError("the picture is not on the sheet as it is")


def test_a_picture_of_the_right_size_is_shown_pixel_for_pixel() -> None:
    image = coloured()
    assert not ink_around(of([[Cell(image)]]), image).any()


def test_text_stands_below_its_picture_and_within_its_width() -> None:
    image = coloured()
    found = of([[Cell(image, (LONG, LONG)), Cell(np.full_like(image, WHITE))]])
    ink = ink_around(found, image)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    picture_bottom, picture_left = 20 + SIDE, 20
    assert rows.min() >= picture_bottom
    assert rows.max() < found.shape[0] - 10
    assert columns.min() >= picture_left
    assert columns.max() < picture_left + SIDE + 1
    assert columns.max() - columns.min() > SIDE - 15, "as much of the name as there is room for"
    lines = np.diff(np.flatnonzero(np.diff(ink.any(1).astype(int))))
    assert len(lines) >= 3, "two lines with white between them"


@pytest.mark.parametrize("title", ["$x_1^2$ & <b>", "cat\ndog", "猫と犬 собака", "", "\x00\udcff"])
def test_any_title_can_be_drawn(title: str) -> None:
    image = coloured()
    empty = of([[Cell(image, ("",))]])
    found = of([[Cell(image, (title,))]])
    assert found.shape == empty.shape
    assert np.array_equal(found, empty) == (title == "")


def test_a_frame_has_its_colour_on_all_four_sides() -> None:
    image = coloured()
    found = of([[Cell(image, frame="#c4121f"), Cell(image)]])
    red = (found == [0xC4, 0x12, 0x1F]).all(-1)
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    assert (rows.min(), rows.max()) == (20 - 4, 20 + SIDE + 3)
    assert (columns.min(), columns.max()) == (20 - 4, 20 + SIDE + 3)
    assert red.sum() == (SIDE + 8) ** 2 - SIDE**2


@pytest.mark.parametrize("shape", [(10, 10), (25, 50), (400, 300)])
def test_other_sizes_are_fitted_and_keep_their_shape(shape: tuple[int, int]) -> None:
    found = of([[Cell(np.zeros((*shape, 3), np.uint8))]])
    dark = (found < 10).all(-1)
    height, width = np.flatnonzero(dark.any(1)).size, np.flatnonzero(dark.any(0)).size
    assert max(height, width) == SIDE
    assert height / width == pytest.approx(shape[0] / shape[1], rel=0.02)


def test_rows_may_differ_in_length_and_all_fit() -> None:
    cell = Cell(coloured(), ("one", "two"))
    found = of([[cell], [cell] * 3], columns=["a", "b", "c"], heading=["title", LONG])
    ink = (found != WHITE).any(-1)
    for edge in (ink[:10], ink[-10:], ink[:, :10], ink[:, -10:]):
        assert not edge.any()


def test_the_file_is_a_png_with_the_same_bytes_twice(tmp_path: Path) -> None:
    rows = [[Cell(coloured(), ("one",))]]
    for name in ("a.png", "b.png"):
        sheet.write_sheet(tmp_path / name, rows, heading=["title"], side=SIDE)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert (image.format, image.info) == ("PNG", {})
        np.testing.assert_array_equal(image, sheet.drawn(rows, heading=["title"], side=SIDE))
