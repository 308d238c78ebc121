"""Makes a data set of TFRecords from a folder or zip of labelled pictures.

python -m data_tools.build_tfrecords --source=train.zip --output_dir=data/catdog

The pictures are read where they are, divided into splits and stored as squares. The folder
appears when everything in it is finished: shards, splits.csv (which picture went where),
rejects.csv (which did not, and why), what TFDS needs to read it, and manifest.json. With
--exclude_duplicates_of=OTHER, excluded.csv lists the pictures that the data set OTHER has already.
Copies of a picture, also resized, re-encoded or mirrored ones, share a split and are listed in
duplicates.csv.
The same pictures and flags give the same bytes, with any number of workers.

Ended in whatever way, the same command goes on with the next picture; and it mends a finished data
set of which files were lost or damaged. Until it is finished a build takes the disk of all pictures
that it read, as they are to be stored, beside that of the data set: twice as much as a rule.
"""

import contextlib
import functools
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catdog import cli, files, images, schema
from catdog.errors import InputError, UsageError
from catdog.signals import Signals
from data_tools import _assemble, _exclusion, _plan, _prepare, _similar_report, _state
from data_tools._found import NO_MEMORY, Memory
from data_tools._limits import Limits, core_count
from data_tools._workers import Workers, workers
from data_tools.config import BuildConfig
from data_tools.sources import Listing, Source, open_source


def _output_folder(path: str) -> Path:
    """The folder to make, by its real path.

    Raises:
      UsageError: something that is no data set is there already, or a folder cannot appear there.
    """
    folder = Path(path).resolve()
    if folder.is_dir() and folder.is_mount():
        raise UsageError(f"--output_dir={path} is a mount point; name a folder inside it")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output_dir={path} is a file; name a new folder")
    if folder.is_dir() and any(folder.iterdir()) and not _is_finished(folder):
        raise UsageError(
            f"--output_dir={path} already holds files; name a new folder, or remove that one"
        )
    return folder


def _is_finished(folder: Path) -> bool:
    return (folder / schema.MANIFEST_FILE).exists()


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


def _counts_text(plan: _plan.Plan) -> Iterator[str]:
    """One line a split: its pictures, per class, and its shards."""
    for name, shards in plan.shards.items():
        labels = zip(plan.class_names, plan.label_counts(name), strict=True)
        per_class = ", ".join(f"{count} {class_name}" for class_name, count in labels)
        files_text = "1 shard" if len(shards) == 1 else f"{len(shards)} shards"
        yield f"{name}: {sum(map(len, shards))} pictures ({per_class}) in {files_text}"
    for reason, count in sorted(Counter(reject.reason for reject in plan.rejects).items()):
        yield f"rejected: {count} ({reason})"
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


def _dry_run(plan: _plan.Plan, config: BuildConfig, folder: Path, *, keeps: bool) -> dict[str, Any]:
    """What the build would do, which keeps records from pass 1 or not; nothing is written."""
    records = plan.pictures + (plan.usable if keeps else 0)
    need = _prepare.estimated_bytes(records, config.image_size)
    free = _free_bytes(folder)
    enough = "enough" if need < free else "NOT ENOUGH"
    cli.say(f"disk: about {need / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free: {enough}")
    return {
        "dry_run": True,
        "pictures": plan.pictures,
        "rejected": len(plan.rejects),
        "excluded": len(plan.excluded),
        "duplicates": _similar_report.counts(plan.duplicates, config.duplicates),
        "passed_over": sum(plan.passed_over.values()),
        "left_out": plan.left_out,
        "splits": {name: sum(map(len, shards)) for name, shards in plan.shards.items()},
        "bytes_needed": need,
        "bytes_free": free,
    }


@contextlib.contextmanager
def _work_folder(work: Path, folder: Path) -> Iterator[None]:
    """Holds the folder of an unfinished build; what cannot be gone on with is removed from it.

    Raises:
      UsageError: there can be no such folder.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        raise UsageError(
            f"--output_dir={folder} cannot be made ({error.strerror}); name a folder elsewhere"
        ) from None
    with files.lock(work / _state.LOCK, str(folder)):
        try:
            yield
        except (UsageError, InputError):
            if _state.forget_plan(work):
                cli.say(f"what was read is kept in {work}; remove it if you do not try again")
            raise
        finally:
            _state.remove_if_empty(work)


def _result(manifest: schema.Manifest, plan: _plan.Plan, config: BuildConfig) -> dict[str, Any]:
    return {
        "kept": manifest.counts["kept"],
        "rejected": len(plan.rejects),
        "excluded": len(plan.excluded),
        "duplicates": _similar_report.counts(plan.duplicates, config.duplicates),
        "passed_over": sum(plan.passed_over.values()),
        "left_out": plan.left_out,
        "splits": {name: split.examples for name, split in manifest.splits.items()},
        "output_dir": config.output_dir,
    }


def _planned(
    listing: Listing,
    config: BuildConfig,
    pool: Workers,
    others: _exclusion.Others,
    memory: Memory,
) -> _plan.Plan:
    plan = _plan.plan(listing, config, pool, others, memory)
    for line in _counts_text(plan):
        cli.say(line)
    for line in _similar_report.text(plan.duplicates, config.duplicates, plan.class_names):
        cli.say(line)
    return plan


def _made(
    folder: Path,
    work: Path,
    source: Source,
    config: BuildConfig,
    others: _exclusion.Others,
    pool: Workers,
) -> dict[str, Any]:
    """The result, once the data set is in place."""
    listing = _listing(source)
    pool.tell()
    about = {
        "name": os.path.basename(os.path.abspath(config.source)),
        "layout": type(source).__module__.rpartition(".")[2],
    }
    keeps = _plan.stores_most(listing, config, others)
    if config.dry_run:
        plan = _planned(listing, config, pool, others, NO_MEMORY)
        return _dry_run(plan, config, folder, keeps=keeps)
    with _work_folder(work, folder):
        if _is_finished(folder):
            _state.clear(work)
            _assemble.check_mendable(folder, config, about, listing.class_names, others)
            try:
                plan = _planned(listing, config, pool, others, NO_MEMORY)
                manifest = _assemble.mended(folder, work, plan, config, about, pool)
            finally:
                _state.clear(work)
        else:
            settings = _assemble.settings(config, about, listing.class_names, others)
            with contextlib.closing(_state.State(work, settings, keeps=keeps)) as state:
                plan = _planned(listing, config, pool, others, state)
                manifest = _assemble.build(state, plan, config, about, pool)
                state.publish(folder)
            pool.close()  # some file systems keep a file that is removed while it is open
            _state.clear(work)
    return _result(manifest, plan, config)


def main(config: BuildConfig) -> dict[str, Any]:
    """Counts of what was kept, rejected and passed over, once the data set is in place.

    Raises:
      UsageError: a flag cannot be used as given, or --output_dir is not free.
      InputError: the source cannot be read, or has too little for what is asked; a folder of
        --exclude_duplicates_of is no data set.
      IntegrityError: a data set of --exclude_duplicates_of, or the manifest of the one to mend,
        is damaged.
      MismatchError: what is there already, finished or not, has other pictures or settings.
      LockedError: another build makes the same folder.
      Preempted, KeyboardInterrupt: SIGTERM or SIGINT came; the same call goes on.
      OSError: the disk refused; nothing is at --output_dir then, and the same call goes on.
    """
    images.check_decoder(config.decoder)
    folder = _output_folder(config.output_dir)
    work = folder.with_name(f".{folder.name}.partial")
    with Signals():
        others = _exclusion.read(config.exclude_duplicates_of)
        source = open_source(config.source, layout=config.layout, classes=config.classes)
        with contextlib.closing(source):
            source.leave_out(folder)
            source.leave_out(work)
            limits = Limits.of(config.image_size)
            warm = functools.partial(_prepare.warm, config.decoder)
            with workers(source, config.workers or core_count(), limits, warm) as pool:
                pool.start()
                return _made(folder, work, source, config, others, pool)


def run() -> None:
    """Runs the command."""
    cli.run_main(main, BuildConfig)


if __name__ == "__main__":
    run()
