"""Copies of a picture as people make them, by what was done to it."""

import io
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageOps

Copy = Callable[[bytes, Image.Image], bytes]


def encoded(image: Image.Image, kind: str = "JPEG", quality: int = 90) -> bytes:
    """The file's bytes."""
    stream = io.BytesIO()
    image.save(stream, kind, quality=quality)
    return stream.getvalue()


def _resized(image: Image.Image, factor: float) -> Image.Image:
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, Image.Resampling.BICUBIC)


def _cropped(image: Image.Image, share: float) -> Image.Image:
    x, y = round(image.width * share), round(image.height * share)
    return image.crop((x, y, image.width - x, image.height - y))


def _lit(image: Image.Image, factor: float) -> Image.Image:
    return image.point(lambda level: min(255, round(level * factor)))


def _on_its_side(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me to the right", as phones write it
    stream = io.BytesIO()
    lying = image.transpose(Image.Transpose.ROTATE_90)
    lying.save(stream, "JPEG", exif=exif, quality=90)
    return stream.getvalue()


def _drawn_upon(image: Image.Image) -> Image.Image:
    marked = image.copy()
    width, height = marked.size
    box = (width // 2, height * 7 // 8, width * 15 // 16, height * 15 // 16)
    ImageDraw.Draw(marked).rectangle(box, fill="white")
    return marked


# What docs/data_format.md says is found.
FOUND: dict[str, Copy] = {
    "equal bytes": lambda data, image: data,
    "quality 60": lambda data, image: encoded(image, quality=60),
    "quality 30": lambda data, image: encoded(image, quality=30),
    "70 %": lambda data, image: encoded(_resized(image, 0.7)),
    "40 %": lambda data, image: encoded(_resized(image, 0.4)),
    "200 %": lambda data, image: encoded(_resized(image, 2.0)),
    "squeezed": lambda data, image: encoded(image.resize((280, 170))),
    "PNG": lambda data, image: encoded(image, "PNG"),
    "WebP": lambda data, image: encoded(image, "WEBP", 75),
    "GIF": lambda data, image: encoded(image, "GIF"),
    "gray": lambda data, image: encoded(ImageOps.grayscale(image)),
    "brighter by 15 %": lambda data, image: encoded(_lit(image, 1.15)),
    "darker by 20 %": lambda data, image: encoded(_lit(image, 0.8)),
    "stored on its side": lambda data, image: _on_its_side(image),
    "mirrored": lambda data, image: encoded(ImageOps.mirror(image)),
    "mirrored, 70 %, quality 60": lambda data, image: encoded(
        _resized(ImageOps.mirror(image), 0.7), quality=60
    ),
}
# And what it says is not.
OTHERS: dict[str, Copy] = {
    "cropped by 1 %": lambda data, image: encoded(_cropped(image, 0.01)),
    "cropped by 2 %": lambda data, image: encoded(_cropped(image, 0.02)),
    "cropped by 4 %": lambda data, image: encoded(_cropped(image, 0.04)),
    "drawn upon": lambda data, image: encoded(_drawn_upon(image)),
    "upside down": lambda data, image: encoded(ImageOps.flip(image)),
}


def planted(data: bytes, copy: Copy) -> bytes:
    """The copy of a picture of these bytes."""
    with Image.open(io.BytesIO(data)) as image:
        return copy(data, ImageOps.exif_transpose(image).convert("RGB"))
