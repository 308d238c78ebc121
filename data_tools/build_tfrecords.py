"""Makes a data set of TFRecords from a folder or zip of labelled pictures.

python -m data_tools.build_tfrecords --source=train.zip --output_dir=data/catdog

The pictures are read where they are, divided into splits and stored as squares. The folder
appears when everything in it is finished: shards, splits.csv (which picture went where),
rejects.csv (which did not, and why), what TFDS needs to read it, and manifest.json. With
--exclude_duplicates_of=OTHER, excluded.csv lists the pictures that the data set OTHER has already.
Copies of a picture, also resized, re-encoded or mirrored ones, share a split and are listed in
duplicates.csv.
The same pictures and flags give the same bytes, with any number of workers.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catdog import cli, files, schema
from catdog.errors import InputError, UsageError
from data_tools import _describe, _exclusion, _plan, _similar_report, writer
from data_tools._workers import Workers, core_count, workers
from data_tools.config import BuildConfig
from data_tools.sources import Listing, Source, open_source

_LOCK = ".lock"


def _output_folder(path: str) -> Path:
    """The folder to make, by its real path.

    Raises:
      UsageError: something is there already, or a folder cannot appear there.
    """
    folder = Path(path).resolve()
    if folder.is_dir() and folder.is_mount():
        raise UsageError(f"--output_dir={path} is a mount point; name a folder inside it")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output_dir={path} is a file; name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        what = "a finished data set" if (folder / schema.MANIFEST_FILE).exists() else "files"
        raise UsageError(
            f"--output_dir={path} already holds {what}; name a new folder, or remove that one"
        )
    return folder


def _listing(source: Source) -> Listing:
    """What the source holds.

    Raises:
      InputError: a class name that does not fit on a line of the file that TFDS reads.
    """
    listing = source.scan()
    for name in listing.class_names:
        if not name.strip() or name != name.strip() or not name.isprintable():
            raise InputError(
                f"a class name is text without line ends or outer blanks, received {name!r}; "
                "rename it"
            )
    return listing


def _tasks(plan: _plan.Plan, config: BuildConfig, folder: Path) -> Iterator[writer.ShardTask]:
    for split, shards in plan.shards.items():
        for index, pictures in enumerate(shards):
            yield writer.ShardTask(
                path=folder / schema.shard_name(split, index, len(shards)),
                pictures=pictures,
                class_names=plan.class_names,
                image_size=config.image_size,
                resize=config.resize,
                jpeg_quality=config.jpeg_quality,
                max_pixels=config.max_pixels,
            )


def _check_rejects(count: int, config: BuildConfig, last: _plan.Reject | None) -> None:
    if last is not None and 0 <= config.max_rejects < count:
        raise InputError(
            f"more than --max_rejects={config.max_rejects} pictures are rejected, "
            f"{last.key!r} for instance: {last.reason}; mend the source or allow more"
        )


def _written(
    plan: _plan.Plan, config: BuildConfig, folder: Path, pool: Workers
) -> dict[str, list[writer.WrittenShard]]:
    """The shards of each split, all of them on disk in `folder`."""
    written: dict[str, list[writer.WrittenShard]] = {name: [] for name in plan.shards}
    names = [name for name, shards in plan.shards.items() for _ in shards]
    tasks = list(_tasks(plan, config, folder))
    rejects = list(plan.rejects)
    _check_rejects(len(rejects), config, rejects[-1] if rejects else None)
    done = cli.progress(pool.map(writer.write_shard, tasks), total=len(tasks), what="shards")
    for name, shard in zip(names, done, strict=True):
        written[name].append(shard)
        rejects += shard.rejects
        _check_rejects(len(rejects), config, rejects[-1] if rejects else None)
    for name, shards in written.items():
        if not any(shard.shard.examples for shard in shards):
            raise InputError(
                f"every picture of the split {name!r} is rejected, "
                f"{shards[0].rejects[0].key!r} for instance: {shards[0].rejects[0].reason}"
            )
    return written


def _clear(work: Path) -> None:
    """Removes what an interrupted build left; the lock stays."""
    for path in work.iterdir():
        if path.name != _LOCK:
            path.unlink()


def _counts_text(plan: _plan.Plan) -> Iterator[str]:
    """One line a split: its pictures, per class, and its shards."""
    for name, shards in plan.shards.items():
        labels = zip(plan.class_names, plan.label_counts(name), strict=True)
        per_class = ", ".join(f"{count} {class_name}" for class_name, count in labels)
        yield f"{name}: {sum(map(len, shards))} pictures ({per_class}) in {len(shards)} shards"
    for reason, count in sorted(plan.passed_over.items()):
        yield f"passed over: {count} ({reason})"
    twins = Counter(excluded.twin.data_set for excluded in plan.excluded)
    for name, count in sorted(twins.items()):
        yield f"excluded, already in {name}: {count}"
    if plan.left_out:
        yield f"left out by --sample_size or --splits: {plan.left_out}"


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _dry_run(plan: _plan.Plan, config: BuildConfig, folder: Path) -> dict[str, Any]:
    """What the build would do; nothing is written."""
    need = _plan.estimated_bytes(plan.pictures, config.image_size)
    free = _free_bytes(folder)
    enough = "enough" if need < free else "NOT ENOUGH"
    cli.say(f"disk: about {need / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free: {enough}")
    return {
        "dry_run": True,
        "pictures": plan.pictures,
        "unreadable": len(plan.rejects),
        "excluded": len(plan.excluded),
        "duplicates": _similar_report.counts(plan.duplicates, config.duplicates),
        "passed_over": sum(plan.passed_over.values()),
        "left_out": plan.left_out,
        "splits": {name: sum(map(len, shards)) for name, shards in plan.shards.items()},
        "bytes_needed": need,
        "bytes_free": free,
    }


def _build(
    plan: _plan.Plan, config: BuildConfig, folder: Path, source: dict[str, str], pool: Workers
) -> dict[str, Any]:
    """Writes the data set beside `folder` and moves it there; what is kept, by split."""
    work = folder.with_name(f".{folder.name}.partial")
    work.mkdir(parents=True, exist_ok=True)
    with files.lock(work / _LOCK, str(folder)):
        _clear(work)
        try:
            written = _written(plan, config, work, pool)
            manifest = _describe.describe(plan, config, source, written, work)
            files.write_whole(work / schema.MANIFEST_FILE, schema.manifest_text(manifest))
        except BaseException:
            pool.abandon()
            shutil.rmtree(work)
            raise
        (work / _LOCK).unlink()
        os.rename(work, folder)
        files.sync_folder(folder.parent)
    rejects = _describe.all_rejects(plan, written)
    for reason, count in sorted(Counter(reject.reason for reject in rejects).items()):
        cli.say(f"rejected: {count} ({reason})")
    return {
        "kept": manifest.counts["kept"],
        "rejected": len(rejects),
        "excluded": len(plan.excluded),
        "duplicates": _similar_report.counts(plan.duplicates, config.duplicates),
        "passed_over": sum(plan.passed_over.values()),
        "left_out": plan.left_out,
        "splits": {name: split.examples for name, split in manifest.splits.items()},
        "output_dir": config.output_dir,
    }


def main(config: BuildConfig) -> dict[str, Any]:
    """Counts of what was kept, rejected and passed over, once the data set is in place.

    Raises:
      UsageError: a flag cannot be used as given, or --output_dir is not free.
      InputError: the source cannot be read, or has too little for what is asked; a folder of
        --exclude_duplicates_of is no data set.
      IntegrityError: a data set of --exclude_duplicates_of is damaged.
      LockedError: another build makes the same folder.
      OSError: the disk refused; nothing is at --output_dir then.
    """
    folder = _output_folder(config.output_dir)
    others = _exclusion.read(config.exclude_duplicates_of)
    source = open_source(config.source, layout=config.layout, classes=config.classes)
    try:
        listing = _listing(source)
        name = {
            "name": os.path.basename(os.path.abspath(config.source)),
            "layout": type(source).__module__.rpartition(".")[2],
        }
        with workers(source, config.workers or core_count()) as pool:
            plan = _plan.plan(listing, config, pool, others)
            for line in _counts_text(plan):
                cli.say(line)
            for line in _similar_report.text(plan.duplicates, config.duplicates, plan.class_names):
                cli.say(line)
            if config.dry_run:
                return _dry_run(plan, config, folder)
            return _build(plan, config, folder, name, pool)
    finally:
        source.close()


def run() -> None:
    """Runs the command."""
    cli.run_main(main, BuildConfig)


if __name__ == "__main__":
    run()
