"""What workers do to a picture: its bytes become the record that is stored, or a reason why not."""

import dataclasses
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catdog import images, schema
from data_tools.config import BuildConfig
from data_tools.sources import Source

# The products of 256 values add up to less than 2 ** 24: float32 adds them without an error, in any
# order.
_EXACT = 256

# Bytes of a photograph for each pixel at quality 95; 27 kB at 256 × 256.
_BYTES_PER_PIXEL = 0.42

# A message of a worker has at most so many pictures, and about so many bytes.
_BATCH, _BATCH_BYTES = 64, 2_000_000


def estimated_bytes(pictures: int, image_size: int) -> int:
    """About how much disk so many stored pictures take."""
    return int(pictures * image_size**2 * _BYTES_PER_PIXEL)


def batch(image_size: int) -> int:
    """How many pictures a worker is to answer at a time."""
    return max(1, min(_BATCH, _BATCH_BYTES // max(1, estimated_bytes(1, image_size))))


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How pictures are made records."""

    class_names: tuple[str, ...]
    image_size: int
    resize: str
    jpeg_quality: int
    max_pixels: int
    decoder: str = images.PILLOW

    @classmethod
    def of(cls, config: BuildConfig, class_names: tuple[str, ...]) -> "Preparation":
        """How a build of these classes is to make them."""
        return cls(
            class_names=class_names,
            image_size=config.image_size,
            resize=config.resize,
            jpeg_quality=config.jpeg_quality,
            max_pixels=config.max_pixels,
            decoder=config.decoder,
        )

    def square(self, data: bytes, *, small: int = 0) -> images.Square:
        """The picture as it is stored, before it is encoded; with a small one of this side.

        Raises:
          RejectedPicture: it cannot be used.
        """
        return images.to_square(
            data,
            image_size=self.image_size,
            resize=self.resize,
            max_pixels=self.max_pixels,
            decoder=self.decoder,
            small=small,
        )


def warm(decoder: str, source: Source) -> None:
    """Does once what the first picture of this source would have to wait for."""
    source.open()
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG")
    images.to_record(stream.getvalue(), decoder=decoder)


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A picture as it is stored, framed for the shard, and the sums over its pixels."""

    framed: bytes
    sums: schema.Sums


def pixel_sums(pixels: NDArray[np.uint8]) -> schema.Sums:
    """The exact sums over the pixels uint8 [height, width, 3].

    All of it is whole numbers, below 2 ** 24 in float32 and below 2 ** 53 in float64.
    """
    height, width, _ = pixels.shape
    values = 3 * width  # of a row: red, green, blue, red, green, ...
    # Over the columns of values: products with the one itself, the next and the one after; values.
    columns = np.zeros((4, values))
    for start in range(0, height, _EXACT):
        rows = pixels[start : start + _EXACT].reshape(-1, values).astype(np.float32)
        for step in range(3):
            end = values - step
            columns[step, :end] += np.einsum("ij,ij->j", rows[:, :end], rows[:, step:])
        columns[3] += np.add.reduce(rows, axis=0)
    # Products of the last value or two of a pixel with one of the next pixel are not looked at.
    (rr, rg, rb, r), (gg, gb, _, g), (bb, _, _, b) = (
        map(int, columns[:, colour::3].sum(axis=1).tolist()) for colour in range(3)
    )
    return schema.Sums(
        pixels=height * width,
        sum=(r, g, b),
        products=((rr, rg, rb), (rg, gg, gb), (rb, gb, bb)),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A picture of this key, label and sha256 (hex) as a square, and its JPEG."""

    key: str
    label: int
    sha256: str
    pixels: NDArray[np.uint8]
    encoded: bytes


def records(preparation: Preparation, several: Sequence[Made]) -> list[Record]:
    """The pictures as they are stored, equal bytes everywhere.

    What is done to one is done to all before the next thing is: a processor is quicker with code
    that it meets again at once.
    """
    sums = [pixel_sums(made.pixels) for made in several]
    examples = [
        schema.Example(
            encoded=made.encoded,
            height=made.pixels.shape[0],
            width=made.pixels.shape[1],
            label=made.label,
            text=preparation.class_names[made.label],
            filename=made.key,
            sha256=made.sha256,
        )
        for made in several
    ]
    framed = [schema.frame(schema.serialize(example)) for example in examples]
    return list(map(Record, framed, sums))


def record(
    preparation: Preparation, square: images.Square, *, key: str, label: int, sha256: str
) -> Record:
    """The picture of this key, label and sha256 (hex) as it is stored."""
    encoded = square.encoded(preparation.jpeg_quality)
    (one,) = records(preparation, [Made(key, label, sha256, square.pixels, encoded)])
    return one
