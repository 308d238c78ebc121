"""What a picture looks like in 296 bytes, and how far two pictures are apart.

All of it is exact whole numbers until one last division, so every machine finds the same.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catdog import images

SIDE = 16
CELLS = 4
HASH_BYTES = 8

# Copies (quality 30 to 90, 40 to 200 %, mirrored, PNG, as gray) of 400 real pictures are at most
# 0.016 away from them, brighter by 15 % 0.025; of 12,500 pictures no two others are nearer than
# 0.18, but 9 of 1797 handwritten digits are nearer than 0.03, and 105 nearer than 0.05.
NEAR = 0.03

# Below this, in gray levels from one 16th of the picture to the next, what is seen is noise and the
# picture is like any other flat one. The least of 12,500 photographs has 5.5.
DETAIL = 3

# In levels of Cb and Cr: room for a copy that is darker by a fifth, none for a thing in blue
# instead of red.
_COLOUR = 8
# A picture with less colour than this is gray, and a gray copy may be of a coloured picture.
_GRAY = 2

_STEPS = 2 * SIDE * (SIDE - 1)
_BLOCK = 4096


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

    def put(self, start: int, prints: "Prints") -> None:
        """Writes other prints over those from `start` on."""
        rows = slice(start, start + len(prints.pixels))
        self.luma[rows], self.chroma[rows] = prints.luma, prints.chroma
        self.pixels[rows] = prints.pixels

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


def look(data: bytes, *, max_pixels: int) -> images.Thumbnail | None:
    """The picture as a small square, or None when it cannot be decoded within the budget."""
    try:
        return images.thumbnail(data, side=SIDE, max_pixels=max_pixels)
    except images.RejectedPicture:
        return None


def prints(looks: Sequence[images.Thumbnail | None]) -> Prints:
    """The prints of pictures, in their order."""
    made = blank(len(looks))
    seen = [place for place, thumbnail in enumerate(looks) if thumbnail is not None]
    if not seen:
        return made
    found = [thumbnail for thumbnail in looks if thumbnail is not None]
    red, green, blue = np.moveaxis(np.stack([each.pixels for each in found]).astype(np.int64), 3, 0)
    luma = (299 * red + 587 * green + 114 * blue + 500) // 1000
    chroma = np.stack([564 * (blue - luma), 713 * (red - luma)], axis=1)
    cell = SIDE // CELLS
    sums = chroma.reshape(-1, 2, CELLS, cell, CELLS, cell).sum(axis=(3, 5))
    made.luma[seen] = luma
    made.chroma[seen] = np.clip(128 + sums // (1000 * cell * cell), 0, 255)
    made.pixels[seen] = [each.source_pixels for each in found]
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
    """Whole numbers [n, 480]: each step right and down less the mean step, 240 times as large."""
    levels = luma.astype(np.float64)
    steps = (np.diff(levels, axis=axis).reshape(len(levels), -1) for axis in (2, 1))
    return np.concatenate(
        [_STEPS // 2 * step - step.sum(axis=1, keepdims=True) for step in steps], axis=1
    )


def _energy(slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.einsum("ij,ij->i", slopes, slopes)


def has_detail(luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """bool [n]: which pictures have more to them than one even slope and noise."""
    least = _STEPS * (DETAIL * _STEPS // 2) ** 2
    blocks = range(0, len(luma), _BLOCK)
    found = [_energy(_slopes(luma[start : start + _BLOCK])) >= least for start in blocks]
    return np.concatenate([np.zeros(0, np.bool_), *found])


def _apart(
    prints: Prints, first: NDArray[np.int64], second: NDArray[np.int64], *, mirrored: bool
) -> NDArray[np.float64]:
    """float64 [m], 0 to 2: how far the pictures `first` are from those of `second`; 2 by colour."""
    luma, chroma = prints.luma[second], prints.chroma[second].astype(np.int64) - 128
    if mirrored:
        luma, chroma = luma[..., ::-1], chroma[..., ::-1]
    one, other = _slopes(prints.luma[first]), _slopes(luma)
    both = np.einsum("ij,ij->i", one, other)
    size = np.sqrt(_energy(one)) * np.sqrt(_energy(other))
    found = 1 - both / np.maximum(size, 1)
    hue = prints.chroma[first].astype(np.int64) - 128
    count = 2 * CELLS * CELLS
    gray = np.minimum(
        np.abs(hue).sum(axis=(1, 2, 3)), np.abs(chroma).sum(axis=(1, 2, 3))
    ) < _GRAY * count  # fmt: skip
    alike = np.abs(hue - chroma).sum(axis=(1, 2, 3)) <= _COLOUR * count
    return np.where(gray | alike, found, 2.0)


def distances(
    prints: Prints, first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How far the pictures at `first` are from those at `second`, and where the mirror is nearer.

    The distance, float64 [m], is 1 less the correlation of the two pictures' slopes: 0 for the same
    picture in whatever light, about 1 for pictures that have nothing to do with each other, and 2
    where their colours are not alike.
    """
    straight, mirrored = (
        np.concatenate(
            [
                np.zeros(0),
                *(
                    _apart(
                        prints,
                        first[start : start + _BLOCK],
                        second[start : start + _BLOCK],
                        mirrored=turned,
                    )
                    for start in range(0, len(first), _BLOCK)
                ),
            ]
        )
        for turned in (False, True)
    )
    return np.minimum(straight, mirrored), mirrored < straight
