"""A faster way for the common JPEG: simplejpeg decodes and encodes, cykooz_resizer resizes it.

Public in `images` as the decoder "fast". Whatever is not plainly sound and common is left to
Pillow, which decides alone what is rejected, and why. So both decoders keep the same pictures.
"""

import functools
import importlib.util
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catdog import _budget, _pillow
from catdog.errors import UsageError

# Baseline, extended and progressive JPEGs with Huffman codes. What else there is (arithmetic codes,
# lossless, hierarchical) one library reads and another does not.
_COMMON_FRAMES = (0xC0, 0xC1, _PROGRESSIVE := 0xC2)
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # markers between those of the frames
_SCAN, _JFIF = 0xDA, 0xE0
# Tables, intervals and comments: nothing that turns a picture, tells its colours or holds another.
_BARE = (0xC4, 0xDB, 0xDD, 0xFE)

# Bytes that decoding takes for each pixel: three, and copies of them in Python and in the resizer;
# libjpeg keeps the coefficients of all scans of a progressive JPEG, two bytes in three channels.
_A_PIXEL, _PROGRESSIVE_PIXEL = 9, 15


def check() -> None:
    """Nothing, when what is needed is installed; it is not imported yet.

    Raises:
      UsageError: it is not.
    """
    for name in ("simplejpeg", "cykooz_resizer"):
        if importlib.util.find_spec(name) is None:
            raise UsageError(
                f"the decoder fast needs simplejpeg and cykooz_resizer (there is no {name}); "
                "pip install simplejpeg cykooz-resizer, or take --decoder=pillow"
            )


@functools.cache
def libraries() -> tuple[Any, Any]:
    """The modules simplejpeg and cykooz_resizer.

    Raises:
      UsageError: one cannot be imported.
    """
    try:
        import cykooz_resizer
        import simplejpeg
    except ImportError as error:
        raise UsageError(
            f"the decoder fast cannot be used ({error}); install simplejpeg and cykooz-resizer "
            "again, or take --decoder=pillow"
        ) from None
    return simplejpeg, cykooz_resizer


@functools.cache
def _resizer() -> tuple[Any, Any, Any]:
    """What resizes, and how: by the filter that Pillow calls bicubic, or by a box filter."""
    _, library = libraries()
    bicubic, means = (
        library.ResizeOptions(resize_alg=library.ResizeAlg.convolution(filter_), use_alpha=False)
        for filter_ in (library.FilterType.catmull_rom, library.FilterType.box)
    )
    return library.Resizer(), bicubic, means


class Frame(NamedTuple):
    """What a JPEG says before its first scan; zeros where it is none.

    Attributes:
      kind: the second byte of the frame's marker.
      width, height: in pixels.
      bare: whether nothing else is said, so that any library sees the same picture in colour.
    """

    kind: int = 0
    width: int = 0
    height: int = 0
    bare: bool = False


def _is_jfif(data: bytes, place: int, length: int) -> bool:
    return length >= 16 and data[place + 4 : place + 8] == b"JFIF"


def frame(data: bytes) -> Frame:
    """The first frame of a JPEG.

    The first byte of each marker is 0xFF, and behind the second, the kind, stands the length of its
    segment; a frame's has the precision, the height, the width and the number of colours.
    """
    found, bare, place = Frame(), data[:2] == b"\xff\xd8", 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == _SCAN:
            return found._replace(bare=bare and found.kind > 0)
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            bare = (
                bare and not found.kind and length == 17 and data[place + 4 : place + 5] == b"\x08"
            )
            height, width = (
                int.from_bytes(data[start : start + 2], "big") for start in (place + 5, place + 7)
            )
            found = found if found.kind else Frame(marker, width, height)
        elif marker not in _BARE and not (marker == _JFIF and _is_jfif(data, place, length)):
            bare = False
        place += 2 + length
    return found


def decoded(data: bytes, header: Frame, size: int) -> NDArray[np.uint8] | None:
    """All of the picture in RGB, uint8 [height, width, 3], not turned upright; None: ask Pillow.

    Args:
      data: the file's bytes.
      header: its first frame, of three colours, within the budget of pixels.
      size: side of the square that is to be made of it.

    Raises:
      UsageError: a library is not installed.
    """
    simplejpeg, _ = libraries()
    _, width, height, _ = header
    # About twice the memory that Pillow needs, and what Pillow can do is never rejected for it.
    a_pixel = _PROGRESSIVE_PIXEL if header.kind == _PROGRESSIVE else _A_PIXEL
    need = len(data) + width * height * a_pixel + 4 * size * height
    if header.kind not in _COMMON_FRAMES or need > _budget.MEMORY_LIMIT:
        return None
    try:
        # strict: whatever libjpeg only warns of, a cut file among it, is an error here.
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
    except MemoryError:
        raise
    except Exception:  # whatever it is, Pillow judges the picture, and says what is wrong with it
        return None
    return pixels if pixels.shape[:2] == (height, width) else None


def _resized(source: Any, size: int, options: Any) -> Any:
    _, library = libraries()
    target = library.ImageData(size, size, library.PixelType.U8x3)
    _resizer()[0].resize(source, target, options)
    return target


def squares(
    pixels: NDArray[np.uint8],
    box: _pillow.Box,
    size: int,
    small: int,
    turn: Image.Transpose | None = None,
) -> tuple[NDArray[np.uint8], bytes]:
    """Antialiased bicubic, turned: the part `box`, and all of the picture in small, if asked for.

    Args:
      pixels: uint8 [height, width, 3].
      box: left, top, right and bottom.
      size: side of the first square, uint8 [size, size, 3].
      small: side of the second one, the bytes of uint8 [small, small, 3]; 0 is for none.
      turn: what makes both of them upright.
    """
    _, library = libraries()
    _, bicubic, means = _resizer()
    left, top, right, bottom = box

    def stored(part: NDArray[np.uint8]) -> Any:
        height, width = part.shape[:2]
        return library.ImageData(width, height, library.PixelType.U8x3, part.tobytes())

    def upright(image: Any) -> bytes:
        data: bytes = image.get_buffer()
        if turn is None:
            return data
        return Image.frombytes("RGB", (image.width,) * 2, data).transpose(turn).tobytes()

    square, little = _resized(stored(pixels[top:bottom, left:right]), size, bicubic), None
    if small and pixels.shape[:2] == (bottom - top, right - left):
        # By a box filter first, as Pillow's `reducing_gap` does: the two are compared.
        between = _resized(square, 2 * small, means) if size > 2 * small else square
        little = _resized(between, small, bicubic)
    elif small:
        little = _resized(stored(pixels), small, bicubic)
    made = np.frombuffer(upright(square), np.uint8).reshape(size, size, 3)
    return made, b"" if little is None else upright(little)


def encoded(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """The pixels, uint8 [height, width, 3], as a JPEG with chroma at half resolution (4:2:0)."""
    simplejpeg, _ = libraries()
    # libjpeg-turbo takes its quick transform here up to quality 95, whatever `fastdct` says.
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return jpeg
