"""Pass 2 of a build: a shard is written, its records in their order, and read back."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

from catdog import files, images, schema
from catdog.errors import InputError, IntegrityError
from data_tools import _prepare
from data_tools._found import Picture
from data_tools._prepare import Preparation, Record
from data_tools._scan import READ_ERRORS, read_failure
from data_tools.sources import Source

# Bytes that are written and hashed at a time. Other threads go on meanwhile, and wait for each
# other less often than if each record were written by itself.
_AT_ONCE = 1_000_000


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """A shard to write: its path, and its pictures in order."""

    path: Path
    pictures: tuple[Picture, ...]


@dataclasses.dataclass(frozen=True)
class WrittenShard:
    """A shard as it is on disk, and the pictures of its records in order."""

    shard: schema.Shard
    pictures: tuple[Picture, ...]

    def label_counts(self) -> Counter[int]:
        """How many records each label has."""
        return Counter(picture.label for picture in self.pictures)


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


def prepare(preparation: Preparation, source: Source, picture: Picture) -> Record:
    """The picture as it is stored, the same bytes in whichever process.

    Raises:
      InputError: the source changed since the plan was made.
    """
    data = _read(source, picture)
    try:
        square = preparation.square(data)
    except images.RejectedPicture as error:
        raise _spoilt(picture, error.reason) from None
    return _prepare.record(
        preparation, square, key=picture.key, label=picture.label, sha256=picture.sha256
    )


def _spoilt(picture: Picture, reason: str) -> InputError:
    return InputError(
        f"{picture.key!r} could be decoded a moment ago and now {reason}; run again when the "
        "machine is at rest"
    )


def lost(picture: Picture, reason: str) -> Record:
    """No record: this picture ended its worker.

    Raises:
      InputError: always.
    """
    raise _spoilt(picture, reason)


def write_shard(task: ShardTask, records: Iterator[Record]) -> WrittenShard:
    """The shard that is at `task.path` now; it was read back before it got this name.

    Args:
      records: gives that of each picture of the task, in order; no more is taken.

    Raises:
      IntegrityError: the disk gives other bytes back than were written.
      OSError: the disk refused; there is nothing new at `task.path` then.
    """
    sums, size, written = schema.NO_SUMS, 0, 0
    digest = hashlib.sha256()

    def read_back(partial: Path) -> None:
        # What is stated of the shard is of the bytes that the disk gives; that they are those which
        # were written is told by a sum that is quicker.
        found = 0
        with partial.open("rb") as file:
            while some := file.read(_AT_ONCE):
                digest.update(some)
                found = google_crc32c.extend(found, some)
        if found != written:
            raise IntegrityError(
                f"{task.path.name} reads back other bytes than were written; check the disk"
            )

    with files.whole_file(task.path, check=read_back) as file:
        waiting: list[bytes] = []
        unwritten = 0
        for left in reversed(range(len(task.pictures))):
            record = next(records)
            waiting.append(record.framed)
            unwritten += len(record.framed)
            sums += record.sums
            if unwritten >= _AT_ONCE or not left:
                some = b"".join(waiting)
                file.write(some)
                written = google_crc32c.extend(written, some)
                size, unwritten = size + unwritten, 0
                waiting.clear()
    shard = schema.Shard(task.path.name, len(task.pictures), size, digest.hexdigest(), sums)
    return WrittenShard(shard, task.pictures)
