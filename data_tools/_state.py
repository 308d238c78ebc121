"""What an unfinished build remembers, so that the same command goes on where it ended.

It lies beside the shards in the work folder, never in a data set:

  settings.json   all that decides the result, but for the pictures
  records/        how each picture read so far is stored, where most of them will be
  scans.jsonl     what was found in each of them, and the stamp its file had then
  plan.json       the digest of the finished plan: which pictures, and where each goes
  commits/        one file a finished shard: its size, sha256 and sums

A shard is taken for finished only when it has the size and sha256 of its commit record, and the
record names the plan.
"""

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from catdog import files, schema
from catdog.errors import MismatchError
from data_tools import _similar
from data_tools._found import Memory, Scan
from data_tools._plan import Plan
from data_tools._spool import PLACES, Owner, Spool
from data_tools.sources import Item
from data_tools.writer import ShardTask, WrittenShard

LOCK = ".lock"
_FORMAT = 3
# What decides where pictures go, and nothing of what is found in them: it may be another one as
# long as there is no plan.
_OF_THE_PLAN = {"splits", "sample_size", "seed", "num_shards", "exclude_duplicates_of"}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between the two, "name: this then, that now"; empty when nothing does."""
    return "; ".join(
        f"{name}: {json.dumps(then.get(name))} then, {json.dumps(now.get(name))} now"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    )


def file_sha256(path: Path) -> str:
    """The sha256 (hex) of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(path: Path, shard: schema.Shard) -> bool:
    """Whether the file has the size and the sha256 that are stated of the shard."""
    return (
        path.is_file() and path.stat().st_size == shard.bytes and file_sha256(path) == shard.sha256
    )


def _read_json(path: Path) -> Any:
    """The content of the file; None when there is none that can be understood."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def plan_digest(plan: Plan) -> str:
    """sha256 (hex) of all that the plan decides; files that are no pictures decide nothing."""
    digest = hashlib.sha256()
    for field in dataclasses.fields(plan):
        if field.name not in ("shards", "passed_over"):
            digest.update(repr((field.name, getattr(plan, field.name))).encode(errors="replace"))
    for split, shards in plan.shards.items():
        for shard in shards:
            digest.update(f"\n{split}\n".encode())
            for picture in shard:
                digest.update(repr((picture.key, picture.label, picture.sha256)).encode())
    return digest.hexdigest()


class State(Memory):
    """The memory of one work folder, which the caller has locked."""

    def __init__(self, work: Path, settings: Mapping[str, Any], *, keeps: bool = False) -> None:
        """Goes on with what is there, or begins where there is nothing of use.

        Args:
          work: a folder that is there.
          settings: all that decides the result, but for the pictures.
          keeps: whether records are kept from pass 1 to pass 2.

        Raises:
          MismatchError: what is there was begun with other settings.
        """
        self.work = work
        self.data = work / "data"
        self.records = str(work / "records") if keeps else ""
        self._commits = work / "commits"
        self._plan = ""
        self._held: list[tuple[str, str, Scan]] = []
        settings = json.loads(json.dumps({"format": _FORMAT, **settings}))
        then = _read_json(work / "settings.json")
        if isinstance(then, dict):
            planned = (work / "plan.json").exists()
            free = set() if planned else _OF_THE_PLAN
            mine, theirs = (
                {name: value for name, value in each.items() if name not in free}
                for each in (settings, then)
            )
            if changed := differences(theirs, mine):
                raise MismatchError(
                    f"an unfinished build with other settings is in {work} ({changed}); repeat "
                    "its command, or remove that folder to begin again"
                )
        else:
            clear(work)
        if then != settings:
            files.write_json(work / "settings.json", settings)
        self.data.mkdir(exist_ok=True)
        self._commits.mkdir(exist_ok=True)
        for folder in (work, self.data, self._commits):
            for path in folder.glob(".*.partial"):
                _remove(path)
        if keeps:
            Path(self.records).mkdir(exist_ok=True)
        self._spool = Spool(Path(self.records)) if keeps else None

    def close(self) -> None:
        """Lets go of its files."""
        if self._spool:
            self._spool.close()

    def scans(self) -> Iterator[tuple[str, str, Scan]]:
        """Key, stamp and scan of the pictures that were read before; of two, the later counts."""
        path = self.work / "scans.jsonl"
        if not path.exists():
            return
        with path.open(encoding="ascii", errors="replace") as file:
            for line in file:
                try:
                    key, stamp, sha256, reason, look, kept = json.loads(line)
                    look = base64.b64decode(look, validate=True)
                    scan = Scan(str(sha256), str(reason), look, int(kept))
                    digest = bytes.fromhex(scan.sha256)
                except (ValueError, TypeError):  # the build was killed in the middle of a line
                    continue
                if (
                    len(scan.print) in (0, _similar.PRINT_BYTES)
                    and len(digest) in (0 if scan.reason else 32, 32)
                    and scan.kept < PLACES
                ):
                    yield str(key), str(stamp), scan

    def knows(self, item: Item, scan: Scan) -> bool:
        """Whether this scan of the item is all that pass 2 needs of it."""
        if self._spool is None or scan.reason:
            return True
        return self._spool.get(scan.kept, Owner(item.key, item.label, scan.sha256)) is not None

    def remember(self, scans: list[tuple[str, str, Scan]]) -> None:
        """Notes (key, stamp, scan) of pictures that were read; their records are there already."""
        if (self.work / "plan.json").exists():
            # That a picture differs from the plan can be told as long as the notes are old.
            self._held += scans
        else:
            self._note(scans)

    def _note(self, scans: list[tuple[str, str, Scan]]) -> None:
        with (self.work / "scans.jsonl").open("a", encoding="ascii") as file:
            for key, stamp, scan in scans:
                look = base64.b64encode(scan.print).decode()
                # A line end first: the last line may be half of one.
                note = [key, stamp, scan.sha256, scan.reason, look, scan.kept]
                file.write("\n" + json.dumps(note))

    def check_plan(self, plan: Plan) -> None:
        """Nothing, when the plan is the one that this build was begun with.

        Raises:
          MismatchError: it is not; the message says which pictures differ.
        """
        self._plan = plan_digest(plan)
        then = _read_json(self.work / "plan.json")
        if not isinstance(then, dict):
            files.write_json(self.work / "plan.json", {"sha256": self._plan})
        elif then.get("sha256") == self._plan:
            self._note(self._held)
        else:
            raise MismatchError(
                f"an unfinished build of other pictures is in {self.work} "
                f"({self._changes(plan)}); bring the source back, or remove that folder to begin "
                "again"
            )

    def _changes(self, plan: Plan) -> str:
        then = {key: scan.sha256 for key, _, scan in self.scans()}
        now = {m.picture.key: m.picture.sha256 for group in plan.duplicates for m in group.members}
        now |= {reject.key: reject.sha256 for reject in plan.rejects}
        now |= {p.key: p.sha256 for shards in plan.shards.values() for s in shards for p in s}
        now |= {excluded.key: excluded.sha256 for excluded in plan.excluded}
        kinds = {
            "changed": [key for key in now if key in then and now[key] != then[key]],
            "new": [key for key in now if key not in then],
            "gone": [] if plan.left_out else [key for key in then if key not in now],
        }
        told = [f"{len(keys)} {kind}, {min(keys)!r}" for kind, keys in kinds.items() if keys]
        return "; ".join(told) or "their classes or copies differ"

    def finished(self, task: ShardTask) -> WrittenShard | None:
        """The shard of the task when it is whole on the disk, as its commit record says."""
        record = _read_json(self._commits / f"{task.path.name}.json")
        try:
            if record["plan"] != self._plan:
                return None
            shard = schema.shard_from(record["shard"])
        except (KeyError, TypeError, ValueError):
            return None
        if not is_whole(task.path, shard):
            return None
        return WrittenShard(shard, task.pictures)

    def commit(self, written: WrittenShard) -> None:
        """Notes that the shard is finished; it is under its name already.

        A power cut may take back this note, or that name: then the shard is written again.
        """
        record = {"plan": self._plan, "shard": dataclasses.asdict(written.shard)}
        files.write_json(self._commits / f"{written.shard.file}.json", record, settled=False)

    def tidy(self, keep: set[str]) -> None:
        """Removes what is in the data folder beside the files of these names."""
        for path in self.data.iterdir():
            if path.name not in keep:
                _remove(path)

    def publish(self, folder: Path) -> None:
        """Gives the finished data set its name, once the names of all its files are on the disk."""
        files.sync_folder(self.data)
        os.rename(self.data, folder)
        files.sync_folder(folder.parent)


def clear(work: Path) -> None:
    """Empties the work folder, but for its lock."""
    for path in work.iterdir():
        if path.name != LOCK:
            _remove(path)


def forget_plan(work: Path) -> bool:
    """Keeps of the work folder what was found in pictures; whether there is any."""
    kept = (work / "scans.jsonl").exists()
    for path in work.iterdir():
        if path.name not in (LOCK, *(("settings.json", "scans.jsonl", "records") if kept else ())):
            _remove(path)
    return kept


def remove_if_empty(work: Path) -> None:
    """Removes the work folder when it holds its lock alone."""
    if [path.name for path in work.iterdir()] != [LOCK]:
        return
    (work / LOCK).unlink()
    with contextlib.suppress(OSError):  # another build has just begun in it
        work.rmdir()
