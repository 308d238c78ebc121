"""Pass 2 of a build: one task writes one shard, whole or not at all."""

import dataclasses
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catdog import files, images, schema
from catdog.errors import InputError
from data_tools._plan import READ_ERRORS, Picture, Reject, read_failure
from data_tools.sources import Source


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """A shard to write: its path, its pictures in order, and how to prepare them."""

    path: Path
    pictures: tuple[Picture, ...]
    class_names: tuple[str, ...]
    image_size: int
    resize: str
    jpeg_quality: int
    max_pixels: int


@dataclasses.dataclass(frozen=True)
class WrittenShard:
    """A shard as it is on disk, the pictures of its records in order, and those it lost."""

    shard: schema.Shard
    pictures: tuple[Picture, ...]
    rejects: tuple[Reject, ...]

    def label_counts(self) -> Counter[int]:
        """How many records each label has."""
        return Counter(picture.label for picture in self.pictures)


def pixel_sums(pixels: NDArray[np.uint8]) -> schema.Sums:
    """The exact sums over the pixels uint8 [height, width, 3]."""
    # Planes first: numpy adds along the last axis, and einsum starts no threads as @ does.
    planes = pixels.reshape(-1, 3).T.astype(np.int64, order="C")
    products = np.einsum("in,jn->ij", planes, planes)
    return schema.Sums(
        pixels=planes.shape[1],
        sum=tuple(planes.sum(axis=1).tolist()),
        products=tuple(tuple(row) for row in products.tolist()),
    )


def _read(source: Source, picture: Picture) -> bytes:
    """The picture's bytes, the same ones that pass 1 saw.

    Raises:
      InputError: the source changed in between.
    """
    try:
        data = source.read(picture.locator)
    except READ_ERRORS as error:
        raise InputError(
            f"{picture.key!r} could be read a moment ago and now {read_failure(error)}; "
            "run again when the source is at rest"
        ) from None
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        raise InputError(
            f"{picture.key!r} changed during the build; run again when the source is at rest"
        )
    return data


def _record(picture: Picture, prepared: images.Prepared, class_names: tuple[str, ...]) -> bytes:
    height, width, _ = prepared.pixels.shape
    example = schema.Example(
        encoded=prepared.jpeg,
        height=height,
        width=width,
        label=picture.label,
        text=class_names[picture.label],
        filename=picture.key,
        sha256=picture.sha256,
    )
    return schema.frame(schema.serialize(example))


def _prepared(data: bytes, task: ShardTask) -> images.Prepared:
    return images.to_record(
        data,
        image_size=task.image_size,
        resize=task.resize,
        jpeg_quality=task.jpeg_quality,
        max_pixels=task.max_pixels,
    )


def write_shard(source: Source, task: ShardTask) -> WrittenShard:
    """The shard that is at `task.path` now; the same bytes in whichever process.

    Raises:
      InputError: the source changed since the plan was made.
      OSError: the disk refused; there is nothing at `task.path` then.
    """
    kept: list[Picture] = []
    rejects: list[Reject] = []
    sums = schema.NO_SUMS
    digest, size = hashlib.sha256(), 0
    with files.whole_file(task.path) as file:
        for picture in task.pictures:
            data = _read(source, picture)
            try:
                prepared = _prepared(data, task)
            except images.RejectedPicture as error:
                rejects.append(Reject(picture.key, error.reason, picture.sha256))
                continue
            framed = _record(picture, prepared, task.class_names)
            file.write(framed)
            digest.update(framed)
            size += len(framed)
            sums += pixel_sums(prepared.pixels)
            kept.append(picture)
    shard = schema.Shard(task.path.name, len(kept), size, digest.hexdigest(), sums)
    return WrittenShard(shard, tuple(kept), tuple(rejects))
