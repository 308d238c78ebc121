"""What a picture looks like in 296 bytes, and how far two pictures are apart.

All of it is exact whole numbers until one last division, so every machine finds the same.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catdog import images

SIDE = 16
CELLS = 4
HASH_BYTES = 8
PRINT_BYTES = SIDE * SIDE + 2 * CELLS * CELLS + 8

# Copies (quality 30 to 90, 40 to 200 %, mirrored, PNG, as gray) of 200 real pictures are at most
# 0.004 away from them, brighter by 15 % 0.025; of 12,500 pictures no two others are nearer than
# 0.17, but 3 of 1797 handwritten digits are taken for copies of others (benchmarks/duplicates.py).
NEAR = 0.03

# Below this, in gray levels from one 16th of the picture to the next, what is seen is noise and the
# picture is like any other flat one. The least of 12,500 photographs has 5.5.
DETAIL = 3

# In levels of Cb and Cr: room for a copy that is darker by a fifth, none for a thing in blue
# instead of red.
_COLOUR = 8
# A picture with less colour than this is gray, and a gray copy may be of a coloured picture.
_GRAY = 2

_HALF = SIDE * (SIDE - 1)
# Pictures at a time, few enough for a core's cache.
_BLOCK = 256


def _cosines(rows: int) -> NDArray[np.float64]:
    """The first rows of the discrete cosine transform, float64 [rows, SIDE], rounded to whole."""
    angles = np.pi * np.outer(np.arange(rows), 2 * np.arange(SIDE) + 1) / (2 * SIDE)
    return np.round(1024 * np.cos(angles))


# The 64 lowest of the picture's waves, (down, across), but not its mean. Lined up so that each byte
# of the hash has as many low ones as any other.
_WAVES = sorted(
    ((down, across) for down in range(SIDE) for across in range(SIDE) if down + across),
    key=lambda wave: (sum(wave), wave),
)[: 8 * HASH_BYTES]
_WAVES = [_WAVES[HASH_BYTES * bit + byte] for byte in range(HASH_BYTES) for bit in range(8)]
_COSINES = _cosines(1 + max(max(wave) for wave in _WAVES))


class Look(NamedTuple):
    """A picture in small, uint8 [16, 16, 3] as bytes, and how many pixels it has itself."""

    pixels: bytes
    source_pixels: int


@dataclasses.dataclass(frozen=True)
class Prints:
    """What n pictures look like; a picture that could not be decoded has 0 pixels.

    Attributes:
      luma: uint8 [n, 16, 16], the picture squashed to a square.
      chroma: uint8 [n, 2, 4, 4], the means of Cb and Cr.
      pixels: int64 [n], how many the picture itself has.
    """

    luma: NDArray[np.uint8]
    chroma: NDArray[np.uint8]
    pixels: NDArray[np.int64]

    def put(self, places: Sequence[int], prints: "Prints") -> None:
        """Writes other prints over those at these places, in their order."""
        rows = np.asarray(places, np.int64)
        self.luma[rows], self.chroma[rows] = prints.luma, prints.chroma
        self.pixels[rows] = prints.pixels

    def pack(self, place: int) -> bytes:
        """The print at this place in `PRINT_BYTES`, the same on every machine."""
        pixels = self.pixels[place].astype("<i8").tobytes()
        return self.luma[place].tobytes() + self.chroma[place].tobytes() + pixels

    def unpack(self, place: int, packed: bytes) -> None:
        """Writes what `pack` gave over the print at this place; nothing makes it a blank one."""
        data = packed or bytes(PRINT_BYTES)
        self.luma[place].flat = np.frombuffer(data, np.uint8, SIDE * SIDE)
        chroma = np.frombuffer(data, np.uint8, 2 * CELLS * CELLS, SIDE * SIDE)
        self.chroma[place].flat = chroma
        self.pixels[place] = np.frombuffer(data, "<i8", 1, PRINT_BYTES - 8)[0]

    def take(self, places: Sequence[int]) -> "Prints":
        """The prints at these places, in their order."""
        rows = np.asarray(places, np.int64)
        return Prints(self.luma[rows], self.chroma[rows], self.pixels[rows])


def blank(count: int) -> Prints:
    """Room for so many prints."""
    return Prints(
        np.zeros((count, SIDE, SIDE), np.uint8),
        np.zeros((count, 2, CELLS, CELLS), np.uint8),
        np.zeros(count, np.int64),
    )


def look(square: images.Square) -> Look:
    """The picture as it is compared, of a square that was asked for a small one of `SIDE`.

    Raises:
      ValueError: it has none.
    """
    if len(square.small) != SIDE * SIDE * 3:
        raise ValueError(f"a look takes a square with a small one of {SIDE} pixels")
    return Look(square.small, square.source_pixels)


def prints(looks: Sequence[Look]) -> Prints:
    """The prints of pictures of which these are the looks, in their order."""
    made = blank(len(looks))
    if not looks:
        return made
    pixels = np.frombuffer(b"".join(look.pixels for look in looks), np.uint8)
    red, green, blue = np.moveaxis(pixels.reshape(-1, SIDE, SIDE, 3), 3, 0).astype(np.int32)
    luma = (299 * red + 587 * green + 114 * blue + 500) // 1000
    cell = SIDE // CELLS
    chroma = np.stack([564 * (blue - luma), 713 * (red - luma)], axis=1)
    rows = np.sum([chroma[:, :, step::cell] for step in range(cell)], axis=0)
    sums = np.sum([rows[..., step::cell] for step in range(cell)], axis=0)
    made.luma[:] = luma
    made.chroma[:] = np.clip(128 + sums // (1000 * cell * cell), 0, 255)
    made.pixels[:] = [look.source_pixels for look in looks]
    return made


def hashes(
    luma: NDArray[np.uint8], rows: NDArray[np.int64], *, mirrored: bool
) -> NDArray[np.uint8]:
    """uint8 [m, 8]: the signs of the 64 lowest waves of the m pictures at `rows` of luma."""
    made = np.empty((len(rows), HASH_BYTES), np.uint8)
    down, across = np.transpose(_WAVES)
    for start in range(0, len(rows), _BLOCK):
        block = luma[rows[start : start + _BLOCK]].astype(np.float64)
        if mirrored:
            block = block[:, :, ::-1]
        waves = _COSINES @ block @ _COSINES.T  # whole numbers below 2 ** 53: exact in any order
        made[start : start + _BLOCK] = np.packbits(waves[:, down, across] > 0, axis=1)
    return made


def _slopes(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[n, 480]: each step right, then down, less the mean one; 240 times, to be whole numbers."""
    levels = luma.astype(np.float64)
    right = (levels[:, :, 1:] - levels[:, :, :-1]).reshape(len(luma), -1)
    down = (levels[:, 1:] - levels[:, :-1]).reshape(len(luma), -1)
    steps = np.concatenate([right, down], axis=1) * _HALF
    steps[:, :_HALF] -= right.sum(axis=1, keepdims=True)
    steps[:, _HALF:] -= down.sum(axis=1, keepdims=True)
    return steps


def _energy(slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.einsum("ij,ij->i", slopes, slopes)


def has_detail(luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """bool [n]: which pictures have more to them than one even slope and noise."""
    least = 2 * _HALF * (DETAIL * _HALF) ** 2
    blocks = range(0, len(luma), _BLOCK)
    found = [_energy(_slopes(luma[start : start + _BLOCK])) >= least for start in blocks]
    return np.concatenate([np.zeros(0, np.bool_), *found])


def _turned(slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The slopes of the mirror images."""
    right = -slopes[:, :_HALF].reshape(-1, SIDE, SIDE - 1)[:, :, ::-1]
    down = slopes[:, _HALF:].reshape(-1, SIDE - 1, SIDE)[:, :, ::-1]
    count = len(slopes)
    return np.concatenate([right.reshape(count, -1), down.reshape(count, -1)], axis=1)


def _colours_differ(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool [m], of chroma [m, 2, 4, 4] around 0; a gray picture is like any other."""
    cells = 2 * CELLS * CELLS
    gray = np.minimum(np.abs(one).sum(axis=(1, 2, 3)), np.abs(other).sum(axis=(1, 2, 3)))
    apart = np.abs(one - other).sum(axis=(1, 2, 3))
    return (gray >= _GRAY * cells) & (apart > _COLOUR * cells)


def _block_distances(
    prints: Prints, first: NDArray[np.integer], second: NDArray[np.integer]
) -> NDArray[np.float64]:
    """float64 [2, m]: the distances of the pictures, and with one of each two mirrored."""
    one, other = _slopes(prints.luma[first]), _slopes(prints.luma[second])
    # the roots are of whole numbers: the same on every machine
    size = np.maximum(1, np.sqrt(_energy(one)) * np.sqrt(_energy(other)))
    chroma, other_chroma = (prints.chroma[rows].astype(np.int64) - 128 for rows in (first, second))
    found = np.empty((2, len(first)))
    for row, (slopes, colours) in enumerate(
        ((other, other_chroma), (_turned(other), other_chroma[..., ::-1]))
    ):
        apart = np.maximum(0, 1 - np.einsum("ij,ij->i", one, slopes) / size)
        found[row] = np.where(_colours_differ(chroma, colours), 2.0, apart)
    return found


def distances(
    prints: Prints, first: NDArray[np.integer], second: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How far the pictures at `first` are from those at `second`, and where the mirror is nearer.

    The distance, float64 [m], is 1 less the correlation of the two pictures' slopes: 0 for the same
    picture in whatever light, about 1 for pictures that have nothing to do with each other, and 2
    where their colours are not alike.
    """
    straight, mirrored = np.concatenate(
        [
            np.empty((2, 0)),
            *(
                _block_distances(
                    prints, first[start : start + _BLOCK], second[start : start + _BLOCK]
                )
                for start in range(0, len(first), _BLOCK)
            ),
        ],
        axis=1,
    )
    return np.minimum(straight, mirrored), mirrored < straight
