"""A faster way for the common JPEG: simplejpeg decodes it, cykooz_resizer resizes it.

Public in `images` as the decoder "fast". Whatever is not plainly sound and common is left to
Pillow, which decides alone what is rejected, and why. So both decoders keep the same pictures.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catdog import _budget
from catdog.errors import UsageError

# Baseline, extended and progressive JPEGs with Huffman codes. What else there is (arithmetic codes,
# lossless, hierarchical) one library reads and another does not.
_COMMON_FRAMES = (0xC0, 0xC1, 0xC2)
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # markers between those of the frames

# Bytes that decoding takes for each pixel: three, and copies of them in Python and in the resizer;
# libjpeg keeps the coefficients of all scans of a progressive JPEG, two bytes in three channels.
_A_PIXEL, _PROGRESSIVE_PIXEL = 9, 15


@functools.cache
def libraries() -> tuple[Any, Any]:
    """The modules simplejpeg and cykooz_resizer.

    Raises:
      UsageError: one is not installed.
    """
    try:
        import cykooz_resizer
        import simplejpeg
    except ImportError as error:
        raise UsageError(
            f"the decoder fast needs simplejpeg and cykooz_resizer ({error}); "
            "pip install simplejpeg cykooz-resizer, or take --decoder=pillow"
        ) from None
    return simplejpeg, cykooz_resizer


@functools.cache
def _resizer() -> tuple[Any, Any]:
    """What resizes by the filter that Pillow calls bicubic, and how it is told to."""
    _, library = libraries()
    bicubic = library.ResizeAlg.convolution(library.FilterType.catmull_rom)
    return library.Resizer(), library.ResizeOptions(resize_alg=bicubic, use_alpha=False)


def _frame(data: bytes) -> tuple[int, int, int]:
    """Kind, width and height of the first frame of a JPEG; zeros where none is found.

    The first byte of each marker is 0xFF, and behind the second, the kind, stands the length of its
    segment; a frame's has a byte of precision, the height and the width.
    """
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            height, width = (
                int.from_bytes(data[start : start + 2], "big") for start in (place + 5, place + 7)
            )
            return marker, width, height
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0, 0, 0


def _is_common(data: bytes, image: Image.Image, size: int) -> bool:
    """Whether the picture is a colour JPEG of the common kinds that fits into the memory.

    Decoding takes about twice the memory that Pillow needs, and what Pillow can do is never
    rejected for it.
    """
    a_pixel = _PROGRESSIVE_PIXEL if "progressive" in image.info else _A_PIXEL
    kind, *size_there = _frame(data)
    need = len(data) + image.width * image.height * a_pixel + 4 * size * image.height
    return (
        image.format == "JPEG"
        and image.mode == "RGB"
        and need <= _budget.MEMORY_LIMIT
        and kind in _COMMON_FRAMES
        and tuple(size_there) == image.size  # whatever is behind the budgets is what is decoded
    )


def decoded(data: bytes, image: Image.Image, size: int) -> NDArray[np.uint8] | None:
    """All of the picture in RGB, uint8 [height, width, 3], not turned upright; None: ask Pillow.

    Args:
      data: the file's bytes.
      image: what Pillow made of its header, within the budgets.
      size: side of the square that is to be made of it.

    Raises:
      UsageError: a library is not installed.
    """
    simplejpeg, _ = libraries()
    if not _is_common(data, image, size):
        return None
    try:
        # strict: whatever libjpeg only warns of, a cut file among it, is an error here.
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
    except MemoryError:
        raise
    except Exception:  # whatever it is, Pillow judges the picture, and says what is wrong with it
        return None
    return pixels if pixels.shape[:2] == (image.height, image.width) else None


def square(
    pixels: NDArray[np.uint8], box: tuple[int, int, int, int], size: int
) -> NDArray[np.uint8]:
    """The part `box` (left, top, right, bottom), uint8 [size, size, 3]: antialiased bicubic."""
    _, library = libraries()
    resizer, options = _resizer()
    left, top, right, bottom = box
    part = pixels[top:bottom, left:right]
    target = library.ImageData(size, size, library.PixelType.U8x3)
    source = library.ImageData(right - left, bottom - top, library.PixelType.U8x3, part.tobytes())
    resizer.resize(source, target, options)
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(size, size, 3)
