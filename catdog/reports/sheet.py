"""A sheet of pictures in rows and columns, each with lines of text below it, as one PNG."""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image, ImageDraw

from catdog import files
from catdog.reports.gallery import shortened, typeface

# Pixels.
_FRAME, _GAP, _MARGIN = 4, 14, 20
_TEXT, _LINE = 15, 20
_INK, _QUIET, _PAPER = "#111111", "#666666", "#ffffff"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    Attributes:
      image: uint8 [height, width, 3].
      lines: the text below it; a line that is too wide loses its middle.
      frame: colour of its frame, such as "#c4121f"; None for no frame.
    """

    image: NDArray[Any]
    lines: Sequence[str] = ()
    frame: str | None = None


def _fitted(image: NDArray[Any], side: int) -> Image.Image:
    """The picture with its longer side `side` pixels long."""
    picture = Image.fromarray(image)
    scale = side / max(picture.size)
    if scale == 1:
        return picture
    width, height = (max(1, round(length * scale)) for length in picture.size)
    # A small picture is looked at for its pixels.
    way = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    return picture.resize((width, height), way)


def _draw_cell(sheet: Image.Image, corner: tuple[int, int], cell: Cell, side: int) -> None:
    left, top = corner
    draw, font = ImageDraw.Draw(sheet), typeface(_TEXT)
    picture = _fitted(cell.image, side)
    x, y = left + (side - picture.width) // 2, top + (side - picture.height) // 2
    if cell.frame is not None:
        edge = (x - _FRAME, y - _FRAME, x + picture.width + _FRAME - 1, y + picture.height + 3)
        draw.rectangle(edge, cell.frame)
    sheet.paste(picture, (x, y))
    for number, words in enumerate(cell.lines):
        place = (left, top + side + _FRAME + number * _LINE)
        draw.text(place, shortened(words, side, font), _INK if number == 0 else _QUIET, font)


def drawn(
    rows: Sequence[Sequence[Cell]],
    *,
    columns: Sequence[str] = (),
    heading: Sequence[str] = (),
    side: int = 224,
) -> Image.Image:
    """The sheet: heading, a caption over each column, the rows of cells from the left.

    Args:
      rows: at least one cell in all; rows may differ in length.
      columns: captions, as many as the longest row has cells, or none.
      heading: lines at the top.
      side: pixels of the longer side of each picture.
    """
    font = typeface(_TEXT)
    text = [max(len(cell.lines) for cell in row) * _LINE for row in rows]
    heights = [side + lines + _FRAME + _GAP for lines in text]
    count = max(len(row) for row in rows)
    width = 2 * _MARGIN + count * side + (count - 1) * _GAP
    top = _MARGIN + len(heading) * _LINE + (_GAP if heading else 0)
    below = top + (_LINE + _FRAME if columns else 0)
    sheet = Image.new("RGB", (width, below + sum(heights) - _GAP + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, words in enumerate(heading):
        place = (_MARGIN, _MARGIN + number * _LINE)
        draw.text(place, shortened(words, width - 2 * _MARGIN, font), _INK, font)
    for number, words in enumerate(columns):
        place = (_MARGIN + number * (side + _GAP), top)
        draw.text(place, shortened(words, side, font), _QUIET, font)
    for row, height in zip(rows, heights, strict=True):
        for number, cell in enumerate(row):
            _draw_cell(sheet, (_MARGIN + number * (side + _GAP), below), cell, side)
        below += height
    return sheet


def write_sheet(
    path: Path,
    rows: Sequence[Sequence[Cell]],
    *,
    columns: Sequence[str] = (),
    heading: Sequence[str] = (),
    side: int = 224,
) -> None:
    """Writes what `drawn` gives as a PNG; equal cells give equal bytes.

    Raises:
      OSError: the disk refused; `path` is as it was before.
    """
    stream = io.BytesIO()
    drawn(rows, columns=columns, heading=heading, side=side).save(stream, "PNG")
    files.write_whole(path, stream.getvalue())
