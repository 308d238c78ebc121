"""A pen that draws smooth shapes in an animal's own coordinates."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

# 32 corners are a circle to the eye at every size drawn here, and cost a tenth of a stroke.
_CORNERS = tuple(
    (math.cos(2 * math.pi * i / 32), math.sin(2 * math.pi * i / 32)) for i in range(32)
)


def shaded(colour: Colour, factor: float) -> Colour:
    """The colour times `factor`, each channel kept in 0..255."""
    red, green, blue = (min(255, max(0, round(channel * factor))) for channel in colour)
    return red, green, blue


def luma(colour: Colour) -> float:
    """How bright the eye finds the colour, 0..255 (ITU-R BT.601)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


class Pen:
    """Draws on `image` in units of the animal: x to its left ear, y down, (0, 0) in its face.

    Args:
      image: an RGB picture, changed in place.
      centre: where (0, 0) falls, in pixels.
      unit: pixels per unit, above 0.
      tilt: radians by which the animal leans.
      mirrored: True turns left into right.
      stretch: how much wider than drawn the animal is; 1.0 leaves it as drawn.
    """

    def __init__(
        self,
        image: Image.Image,
        *,
        centre: Point,
        unit: float,
        tilt: float = 0.0,
        mirrored: bool = False,
        stretch: float = 1.0,
    ) -> None:
        self._draw = ImageDraw.Draw(image)
        self._centre = centre
        self._unit = unit
        across = unit * stretch * (-1 if mirrored else 1)
        self._x = (across * math.cos(tilt), across * math.sin(tilt))
        self._y = (-unit * math.sin(tilt), unit * math.cos(tilt))

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        left, top = self._centre
        return [
            (left + x * self._x[0] + y * self._y[0], top + x * self._x[1] + y * self._y[1])
            for x, y in points
        ]

    def _width(self, units: float) -> int:
        return max(1, round(units * self._unit))

    def polygon(self, points: Sequence[Point], colour: Colour, *, edge: float = 0.05) -> None:
        """Fills the polygon; its edge, `edge` units wide, is a darker shade of the colour."""
        pixels = self._pixels(points)
        self._draw.polygon(pixels, fill=colour)
        if edge:
            self._draw.line(
                [*pixels, pixels[0]], fill=shaded(colour, 0.55), width=self._width(edge)
            )

    def ellipse(
        self, centre: Point, radii: Point, colour: Colour, *, lean: float = 0.0, edge: float = 0.05
    ) -> None:
        """Fills an ellipse that leans by `lean` radians."""
        cos, sin = math.cos(lean), math.sin(lean)
        points = [
            (
                centre[0] + radii[0] * x * cos - radii[1] * y * sin,
                centre[1] + radii[0] * x * sin + radii[1] * y * cos,
            )
            for x, y in _CORNERS
        ]
        self.polygon(points, colour, edge=edge)

    def line(self, points: Sequence[Point], colour: Colour, *, width: float) -> None:
        """Joins the points by straight strokes `width` units wide."""
        self._draw.line(self._pixels(points), fill=colour, width=self._width(width), joint="curve")

    def curve(self, start: Point, bend: Point, end: Point, colour: Colour, *, width: float) -> None:
        """A quadratic Bezier stroke from `start` to `end`, drawn towards `bend`."""
        points = []
        for i in range(13):
            t = i / 12
            weights = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
            points.append(
                (
                    weights[0] * start[0] + weights[1] * bend[0] + weights[2] * end[0],
                    weights[0] * start[1] + weights[1] * bend[1] + weights[2] * end[1],
                )
            )
        self.line(points, shaded(colour, 0.55), width=width + 0.08)
        self.line(points, colour, width=width)
