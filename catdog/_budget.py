"""What a picture may take, decided by its header alone, and the rejection. Public in `images`."""

from PIL import Image

from catdog.errors import InputError

# What one picture may take in memory, so that a process that prepares pictures stays below 300 MB
# (Python, numpy and Pillow have 40 MB of them). Decided by the header alone: the same pictures are
# refused on every machine.
MEMORY_LIMIT = 240 * 2**20

# The limit of a JPEG; with it the half-resized picture in memory stays below 70 MB at 256 pixels.
MAX_SIDE = 65_535

# Bytes that decoding takes for each pixel; Pillow has 4 for all but one-channel pictures. WebP is
# decoded twice over, libtiff may hold all of a picture in one strip beside Pillow's own.
BYTES_PER_PIXEL = {"WEBP": 16, "TIFF": 8}
_ONE_CHANNEL = ("1", "L")


class RejectedPicture(InputError):
    """A picture that cannot be used; `reason` says why, in words that name no file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def memory(image: Image.Image, data: bytes, image_size: int) -> int:
    """About how many bytes the picture takes while it is decoded and made a square, or more."""
    a_pixel = 1 if image.mode in _ONE_CHANNEL else 4
    a_pixel = BYTES_PER_PIXEL.get(image.format or "", a_pixel)
    if "progressive" in image.info:  # libjpeg keeps the coefficients of all scans, 2 bytes each
        a_pixel += 2 * len(image.getbands())
    narrow = 4 * image_size * image.height
    return len(data) + image.width * image.height * a_pixel + narrow


def webp_size(data: bytes) -> tuple[int, int]:
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


def check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise RejectedPicture(
            f"{width} x {height} pixels, over the budget of {max_pixels} in all and "
            f"{MAX_SIDE} a side"
        )


def check_memory(width: int, height: int, kind: str, need: int) -> None:
    if need > MEMORY_LIMIT:
        raise RejectedPicture(
            f"{width} x {height} pixels of {kind} take about {need // 2**20} MiB to decode, over "
            f"the budget of {MEMORY_LIMIT // 2**20}"
        )
