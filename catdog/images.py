"""One picture of any kind -> the upright RGB square that is stored, or the reason why not.

The build, predictions and exports share `to_square`, so a picture looks the same to
all of them, but for builds that ask for the decoder "fast". A picture is decoded to its end, so a
cut one never passes.
"""

import dataclasses
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from catdog import _fast, _pillow
from catdog._budget import MAX_SIDE as MAX_SIDE
from catdog._budget import MEMORY_LIMIT as MEMORY_LIMIT
from catdog._budget import RejectedPicture as RejectedPicture
from catdog._pillow import FORMATS as FORMATS
from catdog.errors import UsageError

# Pillow itself refuses more, as a bomb.
PIXEL_LIMIT = 89_478_485
RESIZES = ("squash", "crop")
SUBSAMPLING = "4:2:0"
PILLOW, FAST = DECODERS = ("pillow", "fast")


@dataclasses.dataclass(frozen=True)
class Square:
    """A picture made a square in RGB, without metadata.

    Attributes:
      pixels: uint8 [side, side, 3].
      source_pixels: how many pixels the picture has itself.
      small: all of the picture squashed to a small square, the bytes of uint8 [small, small, 3];
        none where it was not asked for.
      image: the square as Pillow has it; None where another library made it.
    """

    pixels: NDArray[np.uint8]
    source_pixels: int
    small: bytes = b""
    image: Image.Image | None = None

    def encoded(self, quality: int) -> bytes:
        """The square as the JPEG that is stored, chroma at half resolution (4:2:0)."""
        if self.image is None:
            return _fast.encoded(self.pixels, quality)
        stream = io.BytesIO()
        self.image.save(stream, "JPEG", quality=quality, subsampling=SUBSAMPLING)
        return stream.getvalue()


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A picture as it is stored: uint8 [side, side, 3], and the JPEG of these pixels."""

    pixels: NDArray[np.uint8]
    jpeg: bytes


def _box(size: tuple[int, int], resize: str) -> _pillow.Box:
    """Left, top, right and bottom of what is stored of a picture of this width and height."""
    width, height = size
    if resize != "crop":
        return 0, 0, width, height
    side = min(size)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives, with the warning of a bomb as an error and no other warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return function(*arguments)


def _fast_square(
    data: bytes, header: _fast.Frame, image_size: int, resize: str, small: int, orientation: int = 1
) -> Square | None:
    """None: see what Pillow says of it."""
    pixels, size = _fast.decoded(data, header, image_size), (header.width, header.height)
    if pixels is None:
        return None
    turn = _pillow.UPRIGHT.get(orientation)
    square, little = _fast.squares(pixels, _box(size, resize), image_size, small, turn)
    return Square(square, header.width * header.height, little)


def _pillow_square(
    data: bytes, max_pixels: int, image_size: int, resize: str, header: _fast.Frame, small: int
) -> Square:
    with _pillow.opened(data, max_pixels, image_size) as image:
        common = image.format == "JPEG" and image.mode == "RGB"
        # Whatever is behind the budgets is what is decoded.
        if common and not header.bare and image.size == (header.width, header.height):
            orientation = _pillow.orientation(image)
            made = _fast_square(data, header, image_size, resize, small, orientation)
            if made is not None:
                return made
        _pillow.decode(image)
        orientation = _pillow.orientation(image)  # some formats have it behind the pixels
        whole, source_pixels = (0, 0, *image.size), image.width * image.height
        part = _pillow.square(image, _box(image.size, resize), image_size)
        square, little = _pillow.upright(part, orientation), None
        if small and resize == "squash":
            # Means of whole blocks first, which takes half of the time.
            little = square.resize((small, small), Image.Resampling.BICUBIC, reducing_gap=2.0)
        elif small:
            little = _pillow.upright(_pillow.square(image, whole, small), orientation)
    square.info = {}  # no EXIF, GPS, comment or colour profile goes along
    compared = b"" if little is None else little.tobytes()
    return Square(np.asarray(square), source_pixels, compared, square)


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
        are rounded differently, so is the JPEG, and the same pictures are rejected.
      small: side of a second square, of all of the picture, to compare it by; 0 is for none.

    Raises:
      RejectedPicture: it is empty, no picture, damaged, cut, over the budget of pixels, or takes
        more than `MEMORY_LIMIT` bytes to decode.
      UsageError: `resize` or `decoder` is unknown, or needs a package that is not installed.
    """
    if resize not in RESIZES:
        raise UsageError(f"resize must be one of {', '.join(RESIZES)}, received {resize!r}")
    check_decoder(decoder)
    # Another library may have set these, and not in every process that prepares pictures.
    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, PIXEL_LIMIT
    header = _fast.frame(data) if decoder == FAST else _fast.Frame()
    if header.bare and header.width * header.height <= max_pixels:
        made = _fast_square(data, header, image_size, resize, small)
        if made is not None:
            return made
    square: Square = _quietly(_pillow_square, data, max_pixels, image_size, resize, header, small)
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
    return Prepared(square.pixels, square.encoded(jpeg_quality))


def check_decoder(decoder: str) -> None:
    """Nothing, when this decoder can be used here.

    Raises:
      UsageError: it is unknown, or needs a package that is not installed.
    """
    if decoder not in DECODERS:
        raise UsageError(f"decoder must be one of {', '.join(DECODERS)}, received {decoder!r}")
    if decoder == FAST:
        _fast.check()
