"""Pass 2 of a build: workers prepare pictures, this process writes them, one shard at a time."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catdog import files, images, schema
from catdog.errors import InputError, IntegrityError
from data_tools._scan import READ_ERRORS, Picture, Reject, read_failure
from data_tools.sources import Source

# numpy takes so many pixels at a time: 12 bytes each.
_STRIP = 2**20
# 256 products of two values up to 255 stay below 2 ** 24, so float32 adds them without an error and
# faster than int64.
_EXACT = 256


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How pictures are made records."""

    class_names: tuple[str, ...]
    image_size: int
    resize: str
    jpeg_quality: int
    max_pixels: int
    decoder: str = images.PILLOW


@dataclasses.dataclass(frozen=True)
class Record:
    """A picture as it is stored, framed for the shard, and the sums over its pixels."""

    framed: bytes
    sums: schema.Sums


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """A shard to write: its path, and its pictures in order."""

    path: Path
    pictures: tuple[Picture, ...]


@dataclasses.dataclass(frozen=True)
class WrittenShard:
    """A shard as it is on disk, the pictures of its records in order, and those it lost."""

    shard: schema.Shard
    pictures: tuple[Picture, ...]
    rejects: tuple[Reject, ...]

    @classmethod
    def of(
        cls, task: ShardTask, shard: schema.Shard, rejects: tuple[Reject, ...]
    ) -> "WrittenShard":
        """The shard that has the pictures of the task, but for the rejects."""
        lost = {reject.key for reject in rejects}
        kept = tuple(picture for picture in task.pictures if picture.key not in lost)
        return cls(shard, kept, rejects)

    def label_counts(self) -> Counter[int]:
        """How many records each label has."""
        return Counter(picture.label for picture in self.pictures)


def pixel_sums(pixels: NDArray[np.uint8]) -> schema.Sums:
    """The exact sums over the pixels uint8 [height, width, 3]."""
    flat = pixels.reshape(-1, 3)
    total = schema.NO_SUMS
    for start in range(0, len(flat), _STRIP):
        strip = flat[start : start + _STRIP]
        if short := -len(strip) % _EXACT:
            strip = np.concatenate([strip, np.zeros((short, 3), np.uint8)])
        blocks = strip.T.astype(np.float32, order="C").reshape(3, -1, _EXACT)
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


def prepare(preparation: Preparation, source: Source, picture: Picture) -> Record | Reject:
    """The picture as it is stored, the same bytes in whichever process, or why it is not.

    Raises:
      InputError: the source changed since the plan was made.
    """
    data = _read(source, picture)
    try:
        prepared = images.to_record(
            data,
            image_size=preparation.image_size,
            resize=preparation.resize,
            jpeg_quality=preparation.jpeg_quality,
            max_pixels=preparation.max_pixels,
            decoder=preparation.decoder,
        )
    except images.RejectedPicture as error:
        return Reject(picture.key, error.reason, picture.sha256)
    height, width, _ = prepared.pixels.shape
    example = schema.Example(
        encoded=prepared.jpeg,
        height=height,
        width=width,
        label=picture.label,
        text=preparation.class_names[picture.label],
        filename=picture.key,
        sha256=picture.sha256,
    )
    return Record(schema.frame(schema.serialize(example)), pixel_sums(prepared.pixels))


def lost(picture: Picture, reason: str) -> Reject:
    """The reject that a picture is which ended its worker."""
    return Reject(picture.key, reason, picture.sha256)


def write_shard(task: ShardTask, prepared: Iterator[Record | Reject]) -> WrittenShard:
    """The shard that is at `task.path` now; it was read back before it got this name.

    Args:
      prepared: gives what `prepare` made of each picture of the task, in order; no more is taken.

    Raises:
      IntegrityError: the disk gives other bytes back than were written.
      OSError: the disk refused; there is nothing new at `task.path` then.
    """
    rejects: list[Reject] = []
    sums = schema.NO_SUMS
    digest, size = hashlib.sha256(), 0

    def read_back(partial: Path) -> None:
        with partial.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest.hexdigest():
                raise IntegrityError(
                    f"{task.path.name} reads back other bytes than were written; check the disk"
                )

    with files.whole_file(task.path, check=read_back) as file:
        for _ in task.pictures:
            record = next(prepared)
            if isinstance(record, Reject):
                rejects.append(record)
                continue
            file.write(record.framed)
            digest.update(record.framed)
            size += len(record.framed)
            sums += record.sums
    examples = len(task.pictures) - len(rejects)
    shard = schema.Shard(task.path.name, examples, size, digest.hexdigest(), sums)
    return WrittenShard.of(task, shard, tuple(rejects))
