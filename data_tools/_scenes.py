"""One picture of the toy set: its frame, its background, its animal, its light and its noise.

The frame (sides, file format, orientation, noise) is a function of the seed and the number
alone: cat.7.jpg and dog.7.jpg share it, so nothing but the drawing tells the classes apart.
"""

import colorsys
import io
import random
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageOps

from data_tools._animals import HEAD_HEIGHT, HEAD_TOP, draw_animal, draw_coat
from data_tools._pen import Colour, Pen, luma, shaded

SMALLEST_SIDE, LARGEST_SIDE = 59, 1050

# What undoes each EXIF orientation: a picture stored this way is upright once the tag is honoured.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_ORIENTATIONS = (6, 8, 3, 6, 5, 8, 2, 3, 7, 4)
_ORIENTATION_TAG = 0x0112

# A canvas twice as fine as the picture smooths the edges; beyond this many pixels a side it
# only costs time.
_LARGEST_CANVAS = 640


@dataclass(frozen=True)
class Frame:
    """All of a picture that has to be the same for both classes.

    `width` and `height` are those of the upright picture, in pixels; `orientation` is the EXIF
    value, 1 for a picture stored upright; `noise` is a fraction of full scale.
    """

    width: int
    height: int
    format: str
    gray: bool
    orientation: int
    noise: float
    quality: int


def frame(seed: int, number: int) -> Frame:
    """The frame of the pictures numbered `number`; the odd ones come at fixed numbers, so that
    even a small set holds a gray picture, a PNG, a rotated one and both extremes of size."""
    rng = random.Random(f"frame/{seed}/{number}")
    shorter = rng.randint(120, 330)
    longer = round(shorter * rng.triangular(1.0, 1.8, 1.2))
    if number % 30 == 7:
        shorter, longer = SMALLEST_SIDE, rng.randint(SMALLEST_SIDE, 100)
    elif number % 30 == 22:
        shorter, longer = rng.randint(600, LARGEST_SIDE), LARGEST_SIDE
    sides = (shorter, longer) if rng.random() < 0.4 else (longer, shorter)
    turned = number % 15 == 14
    return Frame(
        width=sides[0],
        height=sides[1],
        format="PNG" if number % 15 == 9 else "JPEG",
        gray=number % 15 == 4,
        orientation=_ORIENTATIONS[number // 15 % len(_ORIENTATIONS)] if turned else 1,
        noise=rng.uniform(0.0, 0.12),
        quality=rng.randint(75, 95),
    )


def _any_colour(rng: random.Random) -> Colour:
    parts = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.95))
    red, green, blue = (round(255 * part) for part in parts)
    return red, green, blue


def _background(rng: random.Random, size: tuple[int, int]) -> tuple[Image.Image, float]:
    """A wall, a floor and some round or square things; and how bright the wall is."""
    wall = _any_colour(rng)
    image = Image.new("RGB", size, wall)
    width, height = size
    pen = Pen(image, centre=(0, 0), unit=min(size))
    right, bottom = width / min(size), height / min(size)
    level = bottom * rng.uniform(0.6, 1.1)
    floor = shaded(wall, rng.uniform(0.6, 1.3))
    pen.polygon([(0, level), (right, level), (right, bottom), (0, bottom)], floor, edge=0)
    for _ in range(rng.randint(0, 6)):
        x, y = rng.uniform(0, right), rng.uniform(0, bottom)
        reach = rng.uniform(0.05, 0.25)
        colour = shaded(wall, rng.uniform(0.7, 1.3))
        if rng.random() < 0.5:
            pen.ellipse((x, y), (reach, reach * rng.uniform(0.5, 1.5)), colour, edge=0)
        else:
            corners = [(x, y), (x + reach, y), (x + reach, y + reach), (x, y + reach)]
            pen.polygon(corners, colour, edge=0)
    return image, luma(wall)


def _posed(rng: random.Random, image: Image.Image, label: str, behind: float) -> None:
    """Puts one animal into the picture, its head at least 60 % as high as the shorter side."""
    width, height = image.size
    shorter = min(width, height)
    pose = rng.choices(("face", "sitting", "standing"), weights=(60, 25, 15))[0]
    share = rng.uniform(0.75, 1.0) if pose == "face" else rng.uniform(0.6, 0.72)
    unit = share * shorter / HEAD_HEIGHT
    mirrored = rng.random() < 0.5
    head_height = HEAD_HEIGHT * unit
    if pose == "face":
        top = rng.uniform(0.0, 1.0) * (height - head_height)
        left = width / 2 + rng.uniform(-0.4, 0.4) * (width - head_height)
    else:
        top = rng.uniform(0.02, 0.15) * height
        aside = 0.0 if pose == "sitting" else 0.2 if mirrored else -0.2
        left = width * (0.5 + aside + rng.uniform(-0.08, 0.08))
        left = min(max(left, unit), width - unit)
    pen = Pen(
        image,
        centre=(left, top - HEAD_TOP[label] * unit),
        unit=unit,
        tilt=rng.gauss(0.0, 0.12) if pose == "face" else rng.gauss(0.0, 0.05),
        mirrored=mirrored,
        stretch=rng.uniform(0.88, 1.1),
    )
    draw_animal(pen, label, pose, draw_coat(rng, behind=behind), rng)


def _lit(rng: random.Random, image: Image.Image) -> Image.Image:
    """The picture under a light that fades towards one side."""
    darkest = rng.uniform(0.45, 1.0)
    levels = [round(255 * darkest + (1 - darkest) * i) for i in range(256)]
    fade = Image.linear_gradient("L").point(levels)
    quarter = rng.choice((None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180))
    if quarter is not None:
        fade = fade.transpose(quarter)
    fade = fade.resize(image.size, Image.Resampling.BILINEAR)
    return ImageChops.multiply(image, Image.merge("RGB", (fade, fade, fade)))


def paint(seed: int, label: str, number: int) -> Image.Image:
    """The upright RGB picture of a "cat" or a "dog", before noise, gray and rotation."""
    about = frame(seed, number)
    rng = random.Random(f"drawing/{seed}/{label}/{number}")
    scale = min(2.0, _LARGEST_CANVAS / max(about.width, about.height))
    canvas, behind = _background(rng, (round(about.width * scale), round(about.height * scale)))
    _posed(rng, canvas, label, behind)
    if scale == 2.0:
        image = canvas.reduce(2)  # what a box filter gives, at a third of its time
    else:
        image = canvas.resize((about.width, about.height), Image.Resampling.BILINEAR)
    image = _lit(rng, image)
    grain = Image.frombytes("RGB", image.size, rng.randbytes(3 * image.width * image.height))
    return Image.blend(image, grain, about.noise)


def picture(seed: int, label: str, number: int) -> bytes:
    """The file of a "cat" or a "dog": the same bytes for the same seed, label and number."""
    about = frame(seed, number)
    image = paint(seed, label, number)
    if about.gray:
        image = ImageOps.grayscale(image)
    data = io.BytesIO()
    if about.format == "PNG":
        image.save(data, "PNG", compress_level=1)
        return data.getvalue()
    exif = Image.Exif()
    if about.orientation != 1:
        image = image.transpose(_STORED[about.orientation])
        exif[_ORIENTATION_TAG] = about.orientation
    image.save(data, "JPEG", quality=about.quality, exif=exif)
    return data.getvalue()


def broken_picture(seed: int, label: str, number: int, kind: str) -> bytes:
    """A file that no reader may accept: "empty", "cut" short or "html" text."""
    if kind == "empty":
        return b""
    if kind == "cut":
        data = picture(seed, label, number)
        return data[: len(data) // 2]
    return (
        b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>"
        b"<body><h1>The picture is no longer here.</h1></body></html>\n"
    )
