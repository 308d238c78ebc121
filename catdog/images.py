"""One picture of any kind -> the upright RGB square that is stored, or the reason why not.

The build, predictions and exports share `to_square` and `to_jpeg`, so a picture looks the same to
all of them, but for builds that ask for the decoder "fast". A picture is decoded to its end, so a
cut one never passes.
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

from catdog import _budget, _fast
from catdog._budget import MAX_SIDE as MAX_SIDE
from catdog._budget import MEMORY_LIMIT as MEMORY_LIMIT
from catdog._budget import RejectedPicture as RejectedPicture
from catdog.errors import UsageError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
# Pillow itself refuses more, as a bomb.
PIXEL_LIMIT = 89_478_485
RESIZES = ("squash", "crop")
SUBSAMPLING = "4:2:0"
PILLOW, FAST = DECODERS = ("pillow", "fast")

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

_PLAIN_MODES = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
_ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


@dataclasses.dataclass(frozen=True)
class Square:
    """A picture made a square in RGB, without metadata.

    Attributes:
      image: the square.
      source_pixels: how many pixels the picture has itself.
      small: all of the picture squashed to a small square, where one was asked for.
      array: the square's pixels, where they are at hand already.
    """

    image: Image.Image
    source_pixels: int
    small: Image.Image | None
    array: NDArray[np.uint8] | None = dataclasses.field(default=None, kw_only=True)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8 [side, side, 3]."""
        return np.asarray(self.image) if self.array is None else self.array


@dataclasses.dataclass(frozen=True)
class Prepared(Square):
    """A picture as it is stored: `jpeg`, which encodes the pixels."""

    jpeg: bytes


def _in_words(error: Exception) -> str:
    """What Pillow says, on one line, without the addresses of its objects."""
    said = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r" ?(<[^>]*>|0x[0-9a-fA-F]+)", "", said)[:200]


def _opened(data: bytes, max_pixels: int, image_size: int) -> Image.Image:
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


def _decode(image: Image.Image) -> None:
    """Decodes all of the picture."""
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # as above, on damaged pixels
        raise RejectedPicture(f"damaged {image.format}: {_in_words(error)}") from None
    if image.mode not in _PLAIN_MODES + _ALPHA_MODES + _DEEP_MODES:
        raise RejectedPicture(f"pixels of the kind {image.mode} have no agreed range of values")


def _upright(image: Image.Image, square: Image.Image) -> Image.Image:
    """The square turned as the EXIF orientation of the picture says, from 1 to 8."""
    try:
        orientation = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata around sound pixels: taken as upright, as viewers do
        return square
    return square.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else square


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


def _box(size: tuple[int, int], resize: str) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is stored of a picture of this width and height."""
    width, height = size
    if resize != "crop":
        return 0, 0, width, height
    side = min(size)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _square(image: Image.Image, size: int, resize: str) -> Image.Image:
    """The picture, or its middle square, in RGB at size × size: antialiased bicubic.

    Rows are narrowed first, then columns shortened, always: Pillow's `resize` may take the two the
    other way round, and round a few pixels differently.
    """
    left, top, right, bottom = box = _box(image.size, resize)
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


def to_jpeg(image: Image.Image, quality: int) -> bytes:
    """The image in RGB as a JPEG, chroma at half resolution."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling=SUBSAMPLING)
    return stream.getvalue()


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives, with the warning of a bomb as an error and no other warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return function(*arguments)


def _made_square(
    data: bytes, max_pixels: int, image_size: int, resize: str, decoder: str, small: int
) -> Square:
    with _opened(data, max_pixels, image_size) as image:
        pixels = _fast.decoded(data, image, image_size) if decoder == FAST else None
        if pixels is None:
            _decode(image)

        def upright(size: int, resize: str) -> tuple[Image.Image, NDArray[np.uint8] | None]:
            if pixels is None:
                return _upright(image, _square(image, size, resize)), None
            array = _fast.square(pixels, _box(image.size, resize), size)
            turned = _upright(image, made := Image.fromarray(array))
            return turned, array if turned is made else None

        (square, array), little = upright(image_size, resize), None
        if small and resize == "squash":
            # Means of whole blocks first, which takes half of the time.
            little = square.resize((small, small), Image.Resampling.BICUBIC, reducing_gap=2.0)
        elif small:
            little, _ = upright(small, "squash")
        source_pixels = image.width * image.height
    square.info = {}  # no EXIF, GPS, comment or colour profile goes along
    return Square(square, source_pixels, little, array=array)


def to_square(
    data: bytes,
    *,
    image_size: int = 256,
    resize: str = "squash",
    max_pixels: int = 50_000_000,
    decoder: str = PILLOW,
    small: int = 0,
) -> Square:
    """The picture upright, in RGB, square.

    Alpha is shown on white, 16-bit gray is scaled, CMYK is converted, of an animation the first
    frame is taken. The picture is resized first and then turned upright.

    Args:
      data: the file's bytes: JPEG, PNG, GIF, BMP, WebP or TIFF, whatever its name says.
      image_size: side of the square, pixels.
      resize: "squash" ignores the aspect ratio, "crop" takes the middle square.
      max_pixels: budget that the header is held to before anything is decoded.
      decoder: "pillow", or "fast" for other libraries where they can do the picture; a few pixels
        are rounded differently, and the same pictures are rejected.
      small: side of a second square, of all of the picture, to compare it by; 0 is for none.

    Raises:
      RejectedPicture: it is empty, no picture, damaged, cut, over the budget of pixels, or takes
        more than `MEMORY_LIMIT` bytes to decode.
      UsageError: `resize` or `decoder` is unknown, or needs a package that is not installed.
    """
    if resize not in RESIZES:
        raise UsageError(f"resize must be one of {', '.join(RESIZES)}, received {resize!r}")
    check_decoder(decoder)
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it
    square: Square = _quietly(_made_square, data, max_pixels, image_size, resize, decoder, small)
    return square


def to_record(
    data: bytes,
    *,
    image_size: int = 256,
    resize: str = "squash",
    jpeg_quality: int = 95,
    max_pixels: int = 50_000_000,
    decoder: str = PILLOW,
) -> Prepared:
    """The picture as `to_square` makes it, and as the JPEG that is stored.

    Args:
      data, image_size, resize, max_pixels, decoder: as for `to_square`.
      jpeg_quality: of the stored JPEG, 1 to 100, chroma at half resolution (4:2:0).

    Raises:
      RejectedPicture, UsageError: as `to_square` does.
    """
    square = to_square(
        data, image_size=image_size, resize=resize, max_pixels=max_pixels, decoder=decoder
    )
    jpeg = to_jpeg(square.image, jpeg_quality)
    return Prepared(square.image, square.source_pixels, None, jpeg, array=square.array)


def check_decoder(decoder: str) -> None:
    """Nothing, when this decoder can be used here.

    Raises:
      UsageError: it is unknown, or needs a package that is not installed.
    """
    if decoder not in DECODERS:
        raise UsageError(f"decoder must be one of {', '.join(DECODERS)}, received {decoder!r}")
    if decoder == FAST:
        _fast.libraries()
