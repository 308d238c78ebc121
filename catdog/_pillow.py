"""What Pillow does of a picture's way to a square. Public in `images`."""

import io
import re

import numpy as np
from PIL import Image, UnidentifiedImageError

from catdog import _budget
from catdog._budget import RejectedPicture

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")

# Left, top, right and bottom of a part of a picture.
Box = tuple[int, int, int, int]

# Rows are converted and narrowed in strips of about this many pixels, so a picture of the largest
# size is in memory once and not three times (decoded, in RGB, with its alpha composited).
_STRIP_PIXELS = 1_000_000

_ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_PLAIN_MODES = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
_ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


def _in_words(error: Exception) -> str:
    """What Pillow says, on one line, without the addresses of its objects."""
    said = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r" ?(<[^>]*>|0x[0-9a-fA-F]+)", "", said)[:200]


def opened(data: bytes, max_pixels: int, image_size: int) -> Image.Image:
    """The picture with its header read and its size within the budgets, not yet decoded."""
    if not data:
        raise RejectedPicture("empty file")
    width, height = _budget.webp_size(data)
    _budget.check_size(width, height, max_pixels)
    _budget.check_memory(width, height, "WEBP", width * height * _budget.BYTES_PER_PIXEL["WEBP"])
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
    _budget.check_size(width, height, max_pixels)
    need = _budget.memory(image, data, image_size)
    _budget.check_memory(width, height, image.format or "", need)
    return image


def decode(image: Image.Image) -> None:
    """Decodes all of the picture."""
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # as above, on damaged pixels
        raise RejectedPicture(f"damaged {image.format}: {_in_words(error)}") from None
    if image.mode not in _PLAIN_MODES + _ALPHA_MODES + _DEEP_MODES:
        raise RejectedPicture(f"pixels of the kind {image.mode} have no agreed range of values")


def orientation(image: Image.Image) -> int:
    """As EXIF says, from 1 to 8; another number where it says nothing of use."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata around sound pixels: taken as upright, as viewers do
        return 1


def upright(image: Image.Image, exif_orientation: int) -> Image.Image:
    """The image turned as the orientation says."""
    turn = UPRIGHT.get(exif_orientation)
    return image if turn is None else image.transpose(turn)


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
    return strip if strip.mode == "RGB" else strip.convert("RGB")


def square(image: Image.Image, box: Box, size: int) -> Image.Image:
    """The part of the picture in RGB at size × size: antialiased bicubic.

    Rows are narrowed first, then columns shortened, always: Pillow's `resize` may take the two the
    other way round, and round a few pixels differently.
    """
    left, top, right, bottom = box
    narrow_size = (size, bottom - top)
    if (right - left) * (bottom - top) <= _STRIP_PIXELS:
        whole = image if box == (0, 0, *image.size) else image.crop(box)
        narrow = _to_rgb(whole).resize(narrow_size, Image.Resampling.BICUBIC)
        return narrow.resize((size, size), Image.Resampling.BICUBIC)
    rows = max(1, _STRIP_PIXELS // (right - left))
    narrow = Image.new("RGB", narrow_size)
    for start in range(top, bottom, rows):
        stop = min(start + rows, bottom)
        strip = _to_rgb(image.crop((left, start, right, stop)))
        narrow.paste(strip.resize((size, stop - start), Image.Resampling.BICUBIC), (0, start - top))
    return narrow.resize((size, size), Image.Resampling.BICUBIC)
