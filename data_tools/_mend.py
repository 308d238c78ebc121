"""A finished data set of which files were lost or damaged: they are made again, the same bytes."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from catdog import cli, files, schema
from catdog.errors import IntegrityError, MismatchError
from data_tools import _tables
from data_tools._scan import Reject
from data_tools._state import differences, is_whole
from data_tools.writer import ShardTask, WrittenShard

Tasks = Mapping[str, Sequence[ShardTask]]
Written = dict[str, list[WrittenShard]]
Remake = Callable[[list[ShardTask]], Iterator[WrittenShard]]
Describe = Callable[[Written], tuple[schema.Manifest, dict[str, str]]]


def _manifest(folder: Path) -> schema.Manifest:
    try:
        return schema.read_manifest(folder)
    except IntegrityError as error:
        raise IntegrityError(
            f"{folder / schema.MANIFEST_FILE} is damaged, so nothing tells what belongs there; "
            "remove the folder and run again"
        ) from error


def _is_as_stated(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _rejects(folder: Path, manifest: schema.Manifest) -> dict[str, Reject] | None:
    """The rejects by key; None when the table of them is lost or damaged."""
    path = folder / _tables.REJECTS
    if not _is_as_stated(path, manifest.files.get(_tables.REJECTS, "")):
        return None
    rows = _tables.rows(folder, _tables.REJECTS)
    return {row["key"]: Reject(row["key"], row["reason"], row["sha256"]) for row in rows}


def _flat(manifest: schema.Manifest) -> dict[str, Any]:
    """What the manifest says by dotted names, the shards by their number alone."""
    flat: dict[str, Any] = {"class_names": list(manifest.class_names)}
    flat["preparation.decoder"] = manifest.decoder  # the manifest has it when it is not the first
    for part in ("preparation", "source", "build", "counts", "libraries", "files"):
        flat |= {f"{part}.{name}": value for name, value in getattr(manifest, part).items()}
    for split in manifest.splits.values():
        flat[f"shards.{split.name}"] = len(split.shards)
    return flat


def _check(folder: Path, then: schema.Manifest, now: schema.Manifest) -> None:
    """Nothing, when the build would make the same manifest.

    Raises:
      MismatchError: it would not; the message says what differs.
    """
    if schema.manifest_text(then) == schema.manifest_text(now):
        return
    changed = differences(_flat(then), _flat(now))
    settings = "; ".join(part for part in changed.split("; ") if not part.startswith("files."))
    raise MismatchError(
        f"{folder} is a finished data set of other pictures or settings "
        f"({settings or 'the pictures differ'}); name a new folder, or remove that one"
    )


def _stated(tasks: Tasks, manifest: schema.Manifest, rejects: dict[str, Reject]) -> Written:
    """The shards as they are when no file is damaged and the source is what it was."""
    written: Written = {}
    for name, split in tasks.items():
        shards = manifest.splits[name].shards if name in manifest.splits else ()
        written[name] = [
            WrittenShard.of(
                task,
                shard,
                tuple(rejects[p.key] for p in task.pictures if p.key in rejects),
            )
            for task, shard in zip(split, shards, strict=False)
        ]
    return written


def _made_again(
    folder: Path, tasks: Sequence[ShardTask], manifest: schema.Manifest, remake: Remake
) -> dict[str, WrittenShard]:
    """The shards of the tasks by name; those that were damaged are in the folder, whole."""
    stated = {shard.file: shard for split in manifest.splits.values() for shard in split.shards}
    made = {}
    for task, shard in zip(tasks, remake(list(tasks)), strict=True):
        if shard.shard != stated.get(task.path.name):
            raise MismatchError(
                f"{task.path.name} comes out in other bytes than the manifest of {folder} states: "
                "the source's pictures changed; bring them back, or remove that folder"
            )
        if is_whole(folder / task.path.name, shard.shard):
            task.path.unlink()
        else:
            os.replace(task.path, folder / task.path.name)
            files.sync_folder(folder)
        made[task.path.name] = shard
    return made


def mend(
    folder: Path, tasks: Tasks, remake: Remake, describe: Describe
) -> tuple[schema.Manifest, Written]:
    """The manifest, which stays as it is, and the shards, once every file is as it says.

    Args:
      tasks: by split, the shards as the build would write them, in a folder of their own.
      remake: writes the shards of tasks there.
      describe: the manifest and the texts of the files beside the shards.

    Raises:
      IntegrityError: the manifest itself is damaged.
      MismatchError: the build would make another data set.
    """
    manifest = _manifest(folder)
    rejects = _rejects(folder, manifest)
    every = [task for split in tasks.values() for task in split]
    if rejects is not None:
        written = _stated(tasks, manifest, rejects)
        now, texts = describe(written)
        _check(folder, manifest, now)
        stated = {shard.shard.file: shard.shard for split in written.values() for shard in split}
        damaged = [t for t in every if not is_whole(folder / t.path.name, stated[t.path.name])]
        _made_again(folder, damaged, manifest, remake)
    else:  # only making the shards again tells why pictures are no part of them
        damaged = every
        made = _made_again(folder, every, manifest, remake)
        written = {name: [made[t.path.name] for t in split] for name, split in tasks.items()}
        now, texts = describe(written)
        _check(folder, manifest, now)
    lost = [n for n, text in texts.items() if not _is_as_stated(folder / n, manifest.files[n])]
    for name in lost:
        files.write_whole(folder / name, texts[name])
    names = [task.path.name for task in damaged] + lost
    cli.say(f"made again: {', '.join(names)}" if names else f"{folder} is whole already")
    return manifest, written
