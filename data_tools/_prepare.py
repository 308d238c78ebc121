"""What workers do to a picture: its bytes become the record that is stored, or a reason why not."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from catdog import images, schema
from data_tools.config import BuildConfig

# numpy takes so many pixels at a time: 12 bytes each.
_STRIP = 2**20
# 256 products of two values up to 255 stay below 2 ** 24, so float32 adds them without an error and
# faster than int64.
_EXACT = 256

# Bytes of a photograph for each pixel at quality 95; 27 kB at 256 × 256.
_BYTES_PER_PIXEL = 0.42

# A message of a worker has at most so many pictures, and about so many bytes.
_BATCH, _BATCH_BYTES = 32, 2_000_000


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


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A picture as it is stored, framed for the shard, and the sums over its pixels."""

    framed: bytes
    sums: schema.Sums


def pixel_sums(pixels: NDArray[np.uint8]) -> schema.Sums:
    """The exact sums over the pixels uint8 [height, width, 3]."""
    flat = pixels.reshape(-1, 3)
    total = schema.NO_SUMS
    for start in range(0, len(flat), _STRIP):
        strip = flat[start : start + _STRIP]
        if short := -len(strip) % _EXACT:
            strip = np.concatenate([strip, np.zeros((short, 3), np.uint8)])
        # Turned as bytes, then converted, which is quicker than both at once.
        blocks = np.ascontiguousarray(strip.T).astype(np.float32).reshape(3, -1, _EXACT)
        sums = np.einsum("cbn->cb", blocks).sum(axis=1, dtype=np.float64)
        pairs = {}
        for i in range(3):
            for j in range(i, 3):
                # einsum starts no threads, as @ does
                sums_of_blocks = np.einsum("bn,bn->b", blocks[i], blocks[j])
                pairs[i, j] = pairs[j, i] = int(sums_of_blocks.sum(dtype=np.float64))
        total += schema.Sums(
            pixels=min(_STRIP, len(flat) - start),
            sum=tuple(map(int, sums)),
            products=tuple(tuple(pairs[i, j] for j in range(3)) for i in range(3)),
        )
    return total


def record(
    preparation: Preparation, square: images.Square, *, key: str, label: int, sha256: str
) -> Record:
    """The picture of this key, label and sha256 (hex) as it is stored, equal bytes everywhere."""
    example = schema.Example(
        encoded=images.to_jpeg(square.image, preparation.jpeg_quality),
        height=square.image.height,
        width=square.image.width,
        label=label,
        text=preparation.class_names[label],
        filename=key,
        sha256=sha256,
    )
    return Record(schema.frame(schema.serialize(example)), pixel_sums(square.pixels))
