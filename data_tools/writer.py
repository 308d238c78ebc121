"""Pass 2 of a build: a shard is written, its records in their order, and read back."""

import contextlib
import dataclasses
import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import google_crc32c

from catdog import files, images, schema
from catdog.errors import InputError, IntegrityError, ResourceError
from data_tools import _prepare, _spool
from data_tools._found import Picture
from data_tools._prepare import Preparation, Record
from data_tools._scan import READ_ERRORS, read_failure
from data_tools.sources import Source

# Bytes that are written and hashed at a time.
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


def write_shard(path: Path, count: int, records: Iterator[Record]) -> schema.Shard:
    """The shard that is at `path` now; it was read back before it got this name.

    Args:
      count: how many records it gets.
      records: gives them, in order; no more are taken.

    Raises:
      IntegrityError: the disk gives other bytes back than were written.
      OSError: the disk refused; there is nothing new at `path` then.
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
                f"{path.name} reads back other bytes than were written; check the disk"
            )

    with files.whole_file(path, check=read_back) as file:
        waiting: list[bytes] = []
        unwritten = 0
        for left in reversed(range(count)):
            record = next(records)
            waiting.append(record.framed)
            unwritten += len(record.framed)
            sums += record.sums
            if unwritten >= _AT_ONCE or not left:
                some = b"".join(waiting)
                file.write(some)
                if hasattr(os, "posix_fadvise"):  # so that the disk begins to write
                    os.posix_fadvise(file.fileno(), size, unwritten, os.POSIX_FADV_DONTNEED)
                written = google_crc32c.extend(written, some)
                size, unwritten = size + unwritten, 0
                waiting.clear()
    return schema.Shard(path.name, count, size, digest.hexdigest(), sums)


@dataclasses.dataclass(frozen=True)
class Copy:
    """A shard to write of records that are there already.

    Attributes:
      path: of the shard.
      places: where each of its records is, in order.
      owners: whose they are.
    """

    path: Path
    places: Sequence[int]
    owners: Sequence[_spool.Owner]

    @classmethod
    def of(cls, task: ShardTask) -> "Copy":
        """What is to be copied for this task; pass 1 kept all of its records."""
        owners = [_spool.Owner(p.key, p.label, p.sha256) for p in task.pictures]
        return cls(task.path, array("q", [p.kept for p in task.pictures]), owners)

    def lost(self, reason: str) -> schema.Shard:
        """No shard: two workers died of it, one after the other.

        Raises:
          ResourceError: always.
        """
        raise ResourceError(
            f"{self.path.name} cannot be written: its process {reason}; run again, with fewer "
            "--workers where memory lacks"
        )


@dataclasses.dataclass(frozen=True)
class Copying:
    """Writes shards in a worker, of the records in a folder."""

    records: str

    def __call__(self, source: Source, copy: Copy) -> schema.Shard:
        """The shard, which is at its path now.

        Raises:
          IntegrityError: a record, or the shard, is not what was written.
          OSError: the disk refused; there is nothing new at the path then.
        """
        with contextlib.closing(_spool.Spool(Path(self.records))) as spool:
            records = map(spool.taken, copy.places, copy.owners)
            return write_shard(copy.path, len(copy.places), records)
