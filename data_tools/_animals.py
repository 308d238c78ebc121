"""Cartoon cats and dogs. Their shapes differ; everything that could give them away does not.

Lengths are in units of about half a head. Coats come from one palette for both classes, so that
the mean colour of a picture says nothing about its class.
"""

import random
from dataclasses import dataclass

from data_tools._pen import Colour, Pen, luma, shaded

PINK: Colour = (232, 140, 150)
DARK: Colour = (28, 24, 24)
WHITE: Colour = (248, 246, 240)

_COATS: tuple[Colour, ...] = (
    (52, 48, 50),
    (120, 118, 122),
    (236, 232, 224),
    (222, 140, 62),
    (134, 88, 52),
    (226, 198, 150),
    (172, 124, 80),
    (118, 132, 150),
)
_EYES: tuple[Colour, ...] = ((122, 176, 74), (226, 190, 60), (96, 160, 210), (190, 120, 50))

# Top and bottom of a head with its ears and tongue, in units: both are 2.3 high, so that a cat
# and a dog of one size fill the same height of the picture.
HEAD_TOP = {"cat": -1.35, "dog": -1.0}
HEAD_HEIGHT = 2.3


@dataclass(frozen=True)
class Coat:
    """The colours of one animal, and its markings: "plain", "stripes" or "patch"."""

    fur: Colour
    second: Colour
    eyes: Colour
    markings: str


def draw_coat(rng: random.Random, *, behind: float) -> Coat:
    """A coat that stands out against a background of brightness `behind` (0..255)."""
    furs = [colour for colour in _COATS if abs(luma(colour) - behind) > 35]
    fur = rng.choice(furs)
    second = rng.choice([colour for colour in _COATS if abs(luma(colour) - luma(fur)) > 35])
    return Coat(
        fur=shaded(fur, rng.uniform(0.85, 1.12)),
        second=shaded(second, rng.uniform(0.85, 1.12)),
        eyes=rng.choice(_EYES),
        markings=rng.choice(("plain", "stripes", "patch")),
    )


def _markings(pen: Pen, coat: Coat) -> None:
    if coat.markings == "stripes":
        for x in (-0.24, 0.0, 0.24):
            pen.line([(x, -0.78 + abs(x) / 3), (x * 0.7, -0.45)], coat.second, width=0.1)
    elif coat.markings == "patch":
        pen.ellipse((0.38, -0.24), (0.36, 0.36), coat.second, edge=0)


def _cat_head(pen: Pen, coat: Coat, rng: random.Random) -> None:
    spread, height = rng.uniform(-0.06, 0.1), rng.uniform(-0.12, 0.05)
    for side in (-1, 1):
        tip = (side * (0.84 + spread), -1.35 - height)
        pen.polygon([(side * 1.0, -0.15), tip, (side * 0.1, -0.8)], coat.fur)
        inner = [(side * 0.86, -0.4), (tip[0] * 0.97, tip[1] + 0.24), (side * 0.34, -0.8)]
        pen.polygon(inner, PINK, edge=0)
    pen.ellipse((0, 0), (1.05, 0.9), coat.fur)
    _markings(pen, coat)
    gaze, wide = rng.uniform(-0.05, 0.05), rng.uniform(0.05, 0.08)
    for side in (-1, 1):
        pen.ellipse((side * 0.44, -0.1), (0.27, 0.23), coat.eyes, lean=side * -0.25)
        pen.ellipse((side * 0.44 + gaze, -0.1), (wide, 0.21), DARK, edge=0)
    for side in (-1, 1):
        pen.ellipse((side * 0.17, 0.43), (0.23, 0.19), shaded(coat.second, 1.1), edge=0.03)
    pen.polygon([(-0.13, 0.22), (0.13, 0.22), (0, 0.36)], PINK)
    ink = DARK if luma(coat.fur) > 110 else WHITE
    sag = rng.uniform(-0.12, 0.16)
    for side in (-1, 1):
        for rise in (-0.22, 0.0, 0.22):
            pen.line(
                [(side * 0.3, 0.42 + rise / 3), (side * 1.4, 0.38 + rise + sag)], ink, width=0.035
            )


def _dog_head(pen: Pen, coat: Coat, rng: random.Random) -> None:
    pen.ellipse((0, -0.08), (0.84, 0.88), coat.fur)
    _markings(pen, coat)
    lean, droop = rng.uniform(0.1, 0.4), rng.uniform(0.72, 0.85)
    for side in (-1, 1):
        centre = (side * (0.8 + lean / 3), -0.58 + droop)
        pen.ellipse(centre, (0.31, droop), coat.second, lean=side * -lean)
    for side in (-1, 1):
        pen.ellipse((side * 0.33, -0.3), (0.16, 0.17), WHITE, edge=0.03)
        pen.ellipse((side * 0.32, -0.27), (0.11, 0.12), DARK, edge=0)
    turn = rng.uniform(-0.1, 0.1)
    if rng.random() < 0.7:
        pen.ellipse((turn + 0.06, 0.98), (0.2, 0.34), PINK)
    pen.ellipse((turn, 0.47), (0.54, 0.5), shaded(coat.fur, 1.25))
    pen.line([(turn, 0.3), (turn, 0.75)], DARK, width=0.05)
    pen.curve((turn - 0.32, 0.7), (turn, 0.95), (turn + 0.32, 0.7), DARK, width=0.02)
    pen.ellipse((turn, 0.2), (0.29, 0.21), DARK, edge=0)
    pen.ellipse((turn - 0.08, 0.13), (0.08, 0.05), (150, 146, 146), edge=0)


def _tail(pen: Pen, label: str, coat: Coat, start: tuple[float, float]) -> None:
    x, y = start
    if label == "cat":
        pen.curve((x, y), (x + 1.3, y + 0.1), (x + 0.7, y - 1.7), coat.fur, width=0.18)
    else:
        pen.curve((x, y), (x + 0.6, y), (x + 0.75, y - 0.75), coat.fur, width=0.34)


def _sitting_body(pen: Pen, label: str, coat: Coat) -> None:
    _tail(pen, label, coat, (0.8, 2.7))
    pen.ellipse((0, 2.0), (0.95, 1.45), coat.fur)
    pen.ellipse((0, 1.7), (0.5, 0.8), coat.second, edge=0)
    for side in (-1, 1):
        pen.ellipse((side * 0.78, 2.95), (0.5, 0.6), coat.fur)
        pen.ellipse((side * 0.3, 2.75), (0.22, 0.85), coat.fur)


def _standing_body(pen: Pen, label: str, coat: Coat) -> None:
    _tail(pen, label, coat, (3.3, 1.0))
    for x in (0.7, 1.2, 2.7, 3.2):
        pen.ellipse((x, 2.1), (0.24, 0.95), shaded(coat.fur, 0.9))
    pen.ellipse((1.9, 1.2), (1.75, 0.8), coat.fur)
    if coat.markings != "plain":
        for x in (1.5, 2.1, 2.7):
            pen.ellipse((x, 0.95), (0.16, 0.45), coat.second, edge=0)


def draw_animal(pen: Pen, label: str, pose: str, coat: Coat, rng: random.Random) -> None:
    """Draws a "cat" or a "dog" in a pose: "face", "sitting" or "standing"."""
    if pose == "sitting":
        _sitting_body(pen, label, coat)
    elif pose == "standing":
        _standing_body(pen, label, coat)
    head = _cat_head if label == "cat" else _dog_head
    head(pen, coat, rng)
