"""gallery.png: pictures with their predictions, right and wrong ones marked."""

import bisect
import dataclasses
import io
import math
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from PIL import Image, ImageDraw, ImageFont

from catdog import files

# Pixels.
_PICTURE, _FRAME, _GAP, _MARGIN = 224, 6, 14, 20
_TEXT, _TITLE, _LEADING = 15, 17, 1.35
_WIDEST = 6  # pictures in a row

_RIGHT, _WRONG, _UNKNOWN = "#1a7f37", "#c4121f", "#b0b0b0"
_INK, _QUIET, _PAPER = "#111111", "#666666", "#ffffff"
_MARKS = {_RIGHT: "✓ ", _WRONG: "✗ ", _UNKNOWN: ""}


@dataclasses.dataclass(frozen=True)
class _Entry:
    """One picture to show; `truth` is empty where it is not known."""

    place: int
    jpeg: bytes
    name: str
    class_name: str
    probability: float
    truth: str

    @property
    def wrong(self) -> bool:
        return bool(self.truth) and self.truth != self.class_name

    @property
    def colour(self) -> str:
        if not self.truth:
            return _UNKNOWN
        return _WRONG if self.wrong else _RIGHT

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Small for what has to be seen: the surest of the wrong, then the least sure."""
        return not self.wrong, -self.probability if self.wrong else self.probability, self.place


def typeface(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib carries: it has ✓, ✗ and the letters of many languages."""
    import matplotlib

    path = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
    # The basic layout is in every Pillow; the other one depends on libraries of the system.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def _drawable(text: str, font: ImageFont.FreeTypeFont) -> str:
    """The text with an escape, such as \\u732b, for each letter that the font does not have."""
    missing = bytes(font.getmask("\uffff"))
    return "".join(
        letter
        if letter.isprintable() and bytes(font.getmask(letter)) != missing
        else letter.encode("unicode_escape").decode()
        for letter in unicodedata.normalize("NFC", text)
    )


def shortened(text: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    """The text, or as much of its two ends as is `width` pixels wide, with … between them."""
    text = _drawable(text, font)
    if font.getlength(text) <= width:
        return text
    for kept in range(min(len(text) - 1, int(width)), 0, -1):  # no letter is under a pixel wide
        head = (kept + 1) // 2
        short = f"{text[:head]}…{text[len(text) - kept + head :]}"
        if font.getlength(short) <= width:
            return short
    return "…"


def _wrapped(text: str, width: float, font: ImageFont.FreeTypeFont) -> list[str]:
    """The text in lines no wider than `width` pixels."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(shortened(word, width, font))
    return [line for line in lines if line]


class Gallery:
    """Chooses pictures as they come, and draws them; at most `places` are kept in memory.

    They are shown in the order they came. When there are more than places, the wrong ones come
    first, the surest of them at the front, and then those whose probability is lowest.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._kept: list[_Entry] = []
        self._seen = self._known = self._wrong = 0

    def add(
        self, jpeg: bytes, *, name: str, class_name: str, probability: float, truth: str
    ) -> None:
        """Takes note of a picture.

        Args:
          jpeg: as the model saw it, square.
          name: its path; the last part is shown.
          class_name: what the model predicts.
          probability: of that class, 0…1.
          truth: its true class; empty where it is not known.
        """
        entry = _Entry(self._seen, jpeg, name, class_name, probability, truth)
        self._seen += 1
        self._known += bool(truth)
        self._wrong += entry.wrong
        bisect.insort(self._kept, entry, key=lambda kept: kept.rank)
        del self._kept[self._places :]

    def shown(self) -> list[str]:
        """The names of the pictures that `write` draws, in their order."""
        return [entry.name for entry in self._entries()]

    def _entries(self) -> list[_Entry]:
        if self._seen > self._places:
            return self._kept
        return sorted(self._kept, key=lambda entry: entry.place)

    def _title(self) -> str:
        count = f"{self._seen} picture{'' if self._seen == 1 else 's'}"
        if self._seen > self._places:
            first = "the wrong and the least sure" if self._known else "the least sure"
            count = f"{len(self._kept)} of {count}, {first} first"
        if not self._known:
            return count
        right = self._known - self._wrong
        return f"{count} · {right} of {self._known} right ({right / self._known:.1%})"

    def write(self, path: Path) -> None:
        """Writes the PNG; equal pictures and predictions give equal bytes.

        Raises:
          OSError: the disk refused; `path` is as it was before.
        """
        entries = self._entries()
        stream = io.BytesIO()
        _drawn(entries, self._title()).save(stream, "PNG")
        files.write_whole(path, stream.getvalue())


def _columns(count: int) -> int:
    """Pictures in a row, so that the last row is about as full as the others."""
    widest = max(1, min(_WIDEST, math.ceil(math.sqrt(count * 1.5))))
    rows = max(1, -(-count // widest))
    return max(1, -(-count // rows))


def _drawn(entries: list[_Entry], title: str) -> Image.Image:
    text, large = typeface(_TEXT), typeface(_TITLE)
    line, title_line = round(_TEXT * _LEADING), round(_TITLE * _LEADING)
    columns = _columns(len(entries))
    rows = -(-len(entries) // columns)
    side = _PICTURE + 2 * _FRAME
    tile_height = side + _FRAME + line * (3 if any(entry.wrong for entry in entries) else 2)
    width = 2 * _MARGIN + columns * side + (columns - 1) * _GAP
    heading = _wrapped(title, width - 2 * _MARGIN, large)
    top = _MARGIN + len(heading) * title_line + _GAP
    height = top + rows * (tile_height + _GAP) - _GAP + _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, words in enumerate(heading):
        draw.text((_MARGIN, _MARGIN + number * title_line), words, _INK, large)
    for number, entry in enumerate(entries):
        row, column = divmod(number, columns)
        left = _MARGIN + column * (side + _GAP)
        _draw_tile(sheet, draw, (left, top + row * (tile_height + _GAP)), entry, text)
    return sheet


def _draw_tile(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    entry: _Entry,
    font: ImageFont.FreeTypeFont,
) -> None:
    left, top = corner
    side = _PICTURE + 2 * _FRAME
    draw.rectangle((left, top, left + side - 1, top + side - 1), entry.colour)
    with Image.open(io.BytesIO(entry.jpeg)) as picture:
        square = picture.resize((_PICTURE, _PICTURE), Image.Resampling.BICUBIC)
    sheet.paste(square, (left + _FRAME, top + _FRAME))
    baseline = top + side + _FRAME
    for words, colour, right in _lines(entry):
        space = side - font.getlength(right) - (_FRAME if right else 0)
        draw.text((left, baseline), shortened(words, space, font), colour, font)
        draw.text((left + side - font.getlength(right), baseline), right, _INK, font)
        baseline += round(_TEXT * _LEADING)


def _lines(entry: _Entry) -> Iterator[tuple[str, str, str]]:
    """(words on the left, their colour, words on the right) of each line under a picture."""
    colour = entry.colour if entry.truth else _INK
    yield _MARKS[entry.colour] + entry.class_name, colour, f"{entry.probability:.1%}"
    if entry.wrong:
        yield f"truth: {entry.truth}", _INK, ""
    yield PurePosixPath(entry.name).name, _QUIET, ""
