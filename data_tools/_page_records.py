"""The examples of a data set, one by one as they lie in its shards, without TensorFlow."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from catdog import schema, shards
from catdog.errors import IntegrityError

_WAY_OUT = "copy the data set again or rebuild it with python -m data_tools.build_tfrecords"


@dataclasses.dataclass(frozen=True)
class Record:
    """An example and its place: the `record`-th, from 0, of the `shard`-th shard of its split."""

    key: str
    label: int
    sha256: str
    jpeg: bytes
    split: str
    shard: int
    record: int


def records(data_dir: Path, split: schema.Split, classes: int) -> Iterator[Record]:
    """The examples of the split, in the order of its shards and of the records in them.

    Raises:
      IntegrityError: a shard cannot be read as the manifest describes it; the message names the
        file and the record.
    """
    for index, shard in enumerate(split.shards):
        place = 0
        try:
            with (data_dir / shard.file).open("rb") as file:
                for place, frame in enumerate(shards.frames(shards.HashedFile(file))):
                    if isinstance(frame, shards.Flaw):
                        raise ValueError(frame.reason)
                    yield _record(frame.payload, split.name, index, place, classes)
                found = place + 1 if file.tell() else 0
        except (OSError, ValueError) as error:
            raise IntegrityError(
                f"{shard.file}, record {place} (from 0): {error}; {_WAY_OUT}"
            ) from None
        if found != shard.examples:
            raise IntegrityError(
                f"{shard.file} has {found} records, its manifest says {shard.examples}; {_WAY_OUT}"
            )


def _record(payload: bytes, split: str, shard: int, place: int, classes: int) -> Record:
    example = schema.deserialize(payload)
    if not 0 <= example.label < classes:
        raise ValueError(f"the label {example.label} is none of the {classes} classes")
    return Record(
        key=example.filename,
        label=example.label,
        sha256=example.sha256,
        jpeg=example.encoded,
        split=split,
        shard=shard,
        record=place,
    )
