"""Whatever is no whole, sound picture is rejected with a reason that names no machine."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from catdog import images
from catdog.errors import InputError

NO_PICTURE = "not a JPEG, PNG, GIF, BMP, WebP or TIFF picture"
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and brings next to no pixels: a decompression bomb."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b"")


def cut(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10]


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :]


REJECTED = {
    "empty": (b"", "empty file"),
    "one byte": (b"\xff", NO_PICTURE),
    "HTML": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", NO_PICTURE),
    "text": (b"This is no picture.\n", NO_PICTURE),
    "zeros": (bytes(5000), NO_PICTURE),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", NO_PICTURE),
    "a format that is not opened (PPM)": (saved(NOISE, "PPM"), NO_PICTURE),
    "a format that is not opened (ICO)": (saved(NOISE, "ICO"), NO_PICTURE),
    "EPS, which would start another program": (b"%!PS-Adobe-3.0 EPSF-3.0\n", NO_PICTURE),
    "JPEG header only": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "damaged header"),
    "cut JPEG": (cut(saved(NOISE, "JPEG")), "damaged JPEG: image file is truncated"),
    "cut progressive JPEG": (
        cut(saved(NOISE, "JPEG", progressive=True)), "damaged JPEG: image file is truncated",
    ),
    "cut PNG": (cut(saved(NOISE, "PNG")), "damaged PNG"),
    "cut GIF": (cut(saved(NOISE.quantize(), "GIF")), "damaged GIF: image file is truncated"),
    "cut BMP": (cut(saved(NOISE, "BMP")), "damaged BMP: image file is truncated"),
    "cut WebP": (cut(saved(NOISE, "WEBP")), "damaged"),
    "cut TIFF": (cut(saved(NOISE, "TIFF")), "damaged|not a JPEG"),
    "flipped bit in a PNG": (flipped(saved(NOISE, "PNG"), 5000), "damaged PNG"),
    "more pixels than the budget": (png_header(10_000, 5_001), "over the budget of 50000000"),
    "a bomb that Pillow would warn about": (png_header(10_000, 10_000), "pixels"),
    "a bomb that Pillow would refuse": (png_header(60_000, 60_000), "more pixels than Pillow"),
    "a side that makes resizing a bomb": (png_header(1, 40_000_000), "65535 a side"),
    "a WebP whose header claims 268 megapixels": (
        b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xfe\x3f\0" * 2 + bytes(9),
        "16383 x 16383 pixels, over the budget",
    ),
    "a WebP that takes too much memory": (
        saved(Image.new("RGB", (5000, 4000)), "WEBP", lossless=True, method=0),
        "5000 x 4000 pixels of WEBP take about 305 MiB to decode, over the budget of 240",
    ),
    "a progressive JPEG that does": (
        saved(Image.new("RGB", (5100, 5100)), "JPEG", progressive=True),
        "5100 x 5100 pixels of JPEG take about 25[0-9] MiB to decode",
    ),
    "floating-point TIFF": (
        saved(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"), "no agreed range",
    ),
    "32-bit TIFF": (
        saved(Image.fromarray(np.ones((9, 9), np.int32)), "TIFF"), "no agreed range",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REJECTED)
def test_any_other_file_is_rejected_with_its_reason(kind: str) -> None:
    data, reason = REJECTED[kind]
    with pytest.raises(images.RejectedPicture, match=reason) as caught:
        images.to_record(data)
    assert isinstance(caught.value, InputError)
    assert "object at" not in caught.value.reason
    assert "\n" not in caught.value.reason


def test_the_reason_is_the_same_every_time() -> None:
    reasons = set()
    for _ in range(2):
        with pytest.raises(images.RejectedPicture) as caught:
            images.to_record(bytes(100))
        reasons.add(caught.value.reason)
    assert len(reasons) == 1
