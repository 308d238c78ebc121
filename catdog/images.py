"""One picture of any kind -> the upright RGB square that is stored, or the reason why not.

The build, predictions and exports share `to_record`, so a picture looks the same to all of them.
Only Pillow is used; a picture is decoded to its end, so a cut one never passes.
"""

import dataclasses
import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from catdog.errors import InputError, UsageError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
# Pillow itself refuses more, as a bomb.
PIXEL_LIMIT = 89_478_485
RESIZES = ("squash", "crop")
SUBSAMPLING = "4:2:0"

# What one picture may take in memory, so that a process that prepares pictures stays below 300 MB
# (Python, numpy and Pillow have 40 MB of them). Decided by the header alone: the same pictures are
# refused on every machine.
MEMORY_LIMIT = 240 * 2**20

# The limit of a JPEG; with it the half-resized picture in memory stays below 70 MB at 256 pixels.
MAX_SIDE = 65_535

# Rows are converted and narrowed in strips of about this many pixels, so a picture of the largest
# size is in memory once and not three times (decoded, in RGB, with its alpha composited).
_STRIP_PIXELS = 1_000_000

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Bytes that decoding takes for each pixel; Pillow has 4 for all but one-channel pictures. WebP is
# decoded twice over, libtiff may hold all of a picture in one strip beside Pillow's own.
_BYTES_PER_PIXEL = {"WEBP": 16, "TIFF": 8}
_ONE_CHANNEL = ("1", "L")

_PLAIN_MODES = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
_ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


class RejectedPicture(InputError):
    """A picture that cannot be used; `reason` says why, in words that name no file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A picture as it is stored: `jpeg`, and the `pixels` it encodes, uint8 [size, size, 3]."""

    jpeg: bytes
    pixels: NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A picture in small, uint8 [side, side, 3], and how many pixels it has itself."""

    pixels: NDArray[np.uint8]
    source_pixels: int


def _in_words(error: Exception) -> str:
    """What Pillow says, on one line, without the addresses of its objects."""
    said = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r" ?(<[^>]*>|0x[0-9a-fA-F]+)", "", said)[:200]


def _memory(image: Image.Image, data: bytes, image_size: int) -> int:
    """About how many bytes the picture takes while it is decoded and made a square, or more."""
    a_pixel = 1 if image.mode in _ONE_CHANNEL else 4
    a_pixel = _BYTES_PER_PIXEL.get(image.format or "", a_pixel)
    if "progressive" in image.info:  # libjpeg keeps the coefficients of all scans, 2 bytes each
        a_pixel += 2 * len(image.getbands())
    narrow = 4 * image_size * image.height
    return len(data) + image.width * image.height * a_pixel + narrow


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height by the header of a WebP picture, (0, 0) of any other.

    Opening one takes memory for all of its pixels already.
    """
    kind = data[12:16] if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else b""
    if kind == b"VP8X":
        left, right = (int.from_bytes(data[start : start + 3], "little") for start in (24, 27))
        return left + 1, right + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        left, right = (int.from_bytes(data[start : start + 2], "little") for start in (26, 28))
        return left & 0x3FFF, right & 0x3FFF
    return 0, 0


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise RejectedPicture(
            f"{width} x {height} pixels, over the budget of {max_pixels} in all and "
            f"{MAX_SIDE} a side"
        )


def _check_memory(width: int, height: int, kind: str, need: int) -> None:
    if need > MEMORY_LIMIT:
        raise RejectedPicture(
            f"{width} x {height} pixels of {kind} take about {need // 2**20} MiB to decode, over "
            f"the budget of {MEMORY_LIMIT // 2**20}"
        )


def _opened(data: bytes, max_pixels: int, image_size: int) -> Image.Image:
    """The picture with its header read and its size within the budgets, not yet decoded."""
    if not data:
        raise RejectedPicture("empty file")
    width, height = _webp_size(data)
    _check_size(width, height, max_pixels)
    _check_memory(width, height, "WEBP", width * height * _BYTES_PER_PIXEL["WEBP"])
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise RejectedPicture("more pixels than Pillow allows") from None
    except UnidentifiedImageError:
        raise RejectedPicture("not a JPEG, PNG, GIF, BMP, WebP or TIFF picture") from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise almost anything on a damaged header
        raise RejectedPicture(f"damaged header: {_in_words(error)}") from None
    width, height = image.size
    _check_size(width, height, max_pixels)
    _check_memory(width, height, image.format or "", _memory(image, data, image_size))
    return image


def _decode(image: Image.Image) -> int:
    """Decodes all of the picture; the way it is turned, an EXIF orientation of 1 to 8."""
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # as above, on damaged pixels
        raise RejectedPicture(f"damaged {image.format}: {_in_words(error)}") from None
    if image.mode not in _PLAIN_MODES + _ALPHA_MODES + _DEEP_MODES:
        raise RejectedPicture(f"pixels of the kind {image.mode} have no agreed range of values")
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata around sound pixels: taken as upright, as viewers do
        return 1


def _deep_to_rgb(strip: Image.Image) -> Image.Image:
    """A 16-bit gray strip, 0..65535, in RGB 0..255, rounded."""
    deep = np.asarray(strip).astype(np.uint32)
    gray = ((deep + 128) // 257).astype(np.uint8)
    transparent = strip.info.get("transparency")
    if isinstance(transparent, int):
        gray[deep == transparent] = 255
    return Image.fromarray(gray).convert("RGB")


def _to_rgb(strip: Image.Image) -> Image.Image:
    """The strip in RGB, what is transparent shown on white."""
    if strip.mode in _DEEP_MODES:
        return _deep_to_rgb(strip)
    if strip.mode in _ALPHA_MODES or "transparency" in strip.info:
        if strip.mode == "La":
            strip = strip.convert("LA")
        see_through = strip.convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        return Image.alpha_composite(white, see_through).convert("RGB")
    return strip.convert("RGB")


def _square(image: Image.Image, size: int, resize: str) -> Image.Image:
    """The picture, or its middle square, in RGB at size × size: antialiased bicubic.

    Equal, bit for bit, to converting all of it and calling Pillow's `resize`, which narrows the
    rows first and then shortens the columns, too.
    """
    left, top, (right, bottom) = 0, 0, image.size
    if resize == "crop":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        right, bottom = left + side, top + side
    rows = max(1, _STRIP_PIXELS // (right - left))
    narrow = Image.new("RGB", (size, bottom - top))
    for start in range(top, bottom, rows):
        stop = min(start + rows, bottom)
        strip = _to_rgb(image.crop((left, start, right, stop)))
        narrow.paste(strip.resize((size, stop - start), Image.Resampling.BICUBIC), (0, start - top))
    return narrow.resize((size, size), Image.Resampling.BICUBIC)


def _to_jpeg(image: Image.Image, quality: int) -> bytes:
    bare = Image.new("RGB", image.size)  # carries no EXIF, GPS, comment or colour profile along
    bare.paste(image)
    stream = io.BytesIO()
    bare.save(stream, "JPEG", quality=quality, subsampling=SUBSAMPLING)
    return stream.getvalue()


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives, with the warning of a bomb as an error and no other warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return function(*arguments)


def to_record(
    data: bytes,
    *,
    image_size: int = 256,
    resize: str = "squash",
    jpeg_quality: int = 95,
    max_pixels: int = 50_000_000,
) -> Prepared:
    """The picture upright, in RGB, square, as a JPEG without metadata and as its pixels.

    Alpha is shown on white, 16-bit gray is scaled, CMYK is converted, of an animation the first
    frame is taken. The picture is resized first and then turned upright.

    Args:
      data: the file's bytes: JPEG, PNG, GIF, BMP, WebP or TIFF, whatever its name says.
      image_size: side of the square, pixels.
      resize: "squash" ignores the aspect ratio, "crop" takes the middle square.
      jpeg_quality: of the stored JPEG, 1 to 100, chroma at half resolution (4:2:0).
      max_pixels: budget that the header is held to before anything is decoded.

    Raises:
      RejectedPicture: it is empty, no picture, damaged, cut, over the budget of pixels, or takes
        more than `MEMORY_LIMIT` bytes to decode.
      UsageError: `resize` is unknown.
    """
    if resize not in RESIZES:
        raise UsageError(f"resize must be one of {', '.join(RESIZES)}, received {resize!r}")
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it
    with _quietly(_opened, data, max_pixels, image_size) as image:
        orientation = _quietly(_decode, image)
        square = _quietly(_square, image, image_size, resize)
    if orientation in _UPRIGHT:
        square = square.transpose(_UPRIGHT[orientation])
    return Prepared(_to_jpeg(square, jpeg_quality), np.asarray(square))


def _thumbnail(data: bytes, side: int, max_pixels: int) -> Thumbnail:
    with _opened(data, max_pixels, side) as image:
        source_pixels = image.width * image.height
        drafted = image.draft(None, (2 * side, 2 * side))
        orientation = _decode(image)
        if drafted is None:
            small = _square(image, side, "squash")
        else:
            # The last block of a JPEG is padded; the box, in fractions of a pixel, leaves that out.
            small = _to_rgb(image).resize((side, side), Image.Resampling.BICUBIC, box=drafted[1])
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    return Thumbnail(np.asarray(small), source_pixels)


def thumbnail(data: bytes, *, side: int, max_pixels: int) -> Thumbnail:
    """The picture upright, in RGB, squashed to side × side: to compare, not to look at.

    A JPEG is decoded at a half, a quarter or an eighth of its size while twice `side` is left,
    which saves most of the time.

    Args:
      data: the file's bytes, as for `to_record`.
      side: of the square, pixels.
      max_pixels: budget that the header is held to before anything is decoded.

    Raises:
      RejectedPicture: it is empty, no picture, damaged, cut or over the budget.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it
    thumbnail: Thumbnail = _quietly(_thumbnail, data, side, max_pixels)
    return thumbnail
