"""A finished data set of which files were lost or damaged: they are made again, the same bytes."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from catdog import cli, files, images, schema
from catdog.errors import IntegrityError, MismatchError
from data_tools._state import differences, is_whole
from data_tools.writer import ShardTask, WrittenShard

Tasks = Mapping[str, Sequence[ShardTask]]
Written = dict[str, list[WrittenShard]]
Remake = Callable[[list[ShardTask]], Iterator[WrittenShard]]
Describe = Callable[[Written, dict[str, int]], tuple[schema.Manifest, dict[str, str]]]


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


def _flat_parts(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted names."""
    flat: dict[str, Any] = {"class_names": list(parts["class_names"])}
    flat["preparation.decoder"] = images.PILLOW  # told when it is another
    for part in ("preparation", "source", "build", "libraries"):
        flat |= {f"{part}.{name}": value for name, value in parts[part].items()}
    return flat


def _flat(manifest: schema.Manifest) -> dict[str, Any]:
    """What the manifest says by dotted names, the shards by their number alone."""
    flat = _flat_parts(vars(manifest))
    for part in ("counts", "files"):
        flat |= {f"{part}.{name}": value for name, value in getattr(manifest, part).items()}
    for split in manifest.splits.values():
        flat[f"shards.{split.name}"] = len(split.shards)
    return flat


def _told(folder: Path, changed: str) -> MismatchError:
    return MismatchError(
        f"{folder} is a finished data set of other pictures or settings "
        f"({changed or 'the pictures differ'}); name a new folder, or remove that one"
    )


def check_settings(folder: Path, now: Mapping[str, Any]) -> None:
    """Nothing, when a build with the settings that `_describe.stated` tells made the data set.

    Raises:
      IntegrityError: its manifest is damaged.
      MismatchError: another build made it.
    """
    then = _flat_parts(vars(_manifest(folder)))
    if changed := differences(then, _flat_parts(json.loads(json.dumps(now)))):
        raise _told(folder, changed)


def _check(folder: Path, then: schema.Manifest, now: schema.Manifest) -> None:
    """Nothing, when the build would make the same manifest.

    Raises:
      MismatchError: it would not; the message says what differs.
    """
    if schema.manifest_text(then) == schema.manifest_text(now):
        return
    changed = differences(_flat(then), _flat(now))
    settings = "; ".join(part for part in changed.split("; ") if not part.startswith("files."))
    raise _told(folder, settings)


def _stated(tasks: Tasks, manifest: schema.Manifest) -> Written:
    """The shards as they are when no file is damaged and the source is what it was."""
    written: Written = {}
    for name, split in tasks.items():
        shards = manifest.splits[name].shards if name in manifest.splits else ()
        written[name] = [
            WrittenShard(shard, task.pictures) for task, shard in zip(split, shards, strict=False)
        ]
    return written


def _made_again(
    folder: Path, tasks: Sequence[ShardTask], manifest: schema.Manifest, remake: Remake
) -> None:
    """Puts the shards of the tasks, which were damaged, into the folder, whole."""
    stated = {shard.file: shard for split in manifest.splits.values() for shard in split.shards}
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


def mend(folder: Path, tasks: Tasks, remake: Remake, describe: Describe) -> schema.Manifest:
    """The manifest, which stays as it is, once every file is as it says.

    Args:
      tasks: by split, the shards as the build would write them, in a folder of their own.
      remake: writes the shards of tasks there.
      describe: the manifest, given what was passed over, and the texts of files beside the shards.

    Raises:
      IntegrityError: the manifest itself is damaged.
      MismatchError: the build would make another data set.
    """
    manifest = _manifest(folder)
    written = _stated(tasks, manifest)
    # A note among the pictures, or one less, makes no other data set.
    now, texts = describe(written, manifest.counts.get("passed_over", {}))
    _check(folder, manifest, now)
    stated = {shard.shard.file: shard.shard for split in written.values() for shard in split}
    every = [task for split in tasks.values() for task in split]
    damaged = [t for t in every if not is_whole(folder / t.path.name, stated[t.path.name])]
    _made_again(folder, damaged, manifest, remake)
    lost = [n for n, text in texts.items() if not _is_as_stated(folder / n, manifest.files[n])]
    for name in lost:
        files.write_whole(folder / name, texts[name])
    names = [task.path.name for task in damaged] + lost
    cli.say(f"made again: {', '.join(names)}" if names else f"{folder} is whole already")
    return manifest
