"""Checks every record of a built data set, and names each problem with its place.

python -m data_tools.verify_tfrecords --data_dir=data/catdog/1.0.0

Every shard is held against the manifest and splits.csv: its size and sha256, the checksums of its
records, their keys, labels and order, and each picture is decoded. With --quick, sizes and the
manifest alone are checked. One line a problem goes to stderr, with --output_file all go into a CSV,
and the exit code is 4 when there is one. A damaged shard is mended by deleting it and running the
same build again.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from catdog import cli, files, inquest, inspection, schema
from catdog.errors import IntegrityError, ResourceError, UsageError
from catdog.inspection import Expected, Found, Problem
from catdog.shards import Place
from data_tools import _consistency
from data_tools._limits import core_count
from data_tools.config import VerifyConfig

_MOST_LINES = 100


def _leave_with_parent(parent: Connection) -> None:
    """Ends this process when the other end of the pipe is closed, or its process was killed."""
    multiprocessing.connection.wait([parent])
    os._exit(1)


def _start(parent: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the pool, and says so
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()


@contextlib.contextmanager
def _pool(count: int) -> Iterator[futures.ProcessPoolExecutor]:
    """Processes for the time of the body; a failure in it does not wait for their tasks."""
    theirs, ours = multiprocessing.Pipe(duplex=False)
    # fork would copy whatever threads and locks the caller's process has
    spawn = multiprocessing.get_context("spawn")
    pool = futures.ProcessPoolExecutor(
        count, mp_context=spawn, initializer=_start, initargs=(theirs,)
    )
    try:
        yield pool
    except BaseException:
        ours.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ours.close()
        theirs.close()


def _examined(data_dir: Path, shards: Sequence[Expected], count: int) -> Iterator[Found]:
    """What each of the shards holds, in their order.

    Raises:
      ResourceError: a worker process died.
    """
    if min(count, len(shards)) <= 1:
        for shard in shards:
            yield inspection.examine(data_dir, shard)
        return
    with _pool(min(count, len(shards))) as pool:
        waiting = [pool.submit(inspection.examine, data_dir, shard) for shard in shards]
        try:
            for future in waiting:
                yield future.result()
        except BrokenProcessPool:
            raise ResourceError(
                "a worker process died, most often for lack of memory; use fewer --workers"
            ) from None


def _records(data_dir: Path, manifest: schema.Manifest, count: int) -> list[Problem]:
    """What is wrong with the records of all splits, in the order of the files."""
    problems: list[Problem] = []
    try:
        rows = inquest.read_rows(data_dir, manifest)
    except ValueError as error:
        rows = {}
        if (data_dir / inquest.TABLE).is_file() and "sha256" not in str(error):
            problems.append(Problem(Place(inquest.TABLE), str(error)))
    shards = [
        expected
        for split in manifest.splits.values()
        for expected in inquest.expectations(split, manifest, rows)
    ]
    examined = _examined(data_dir, shards, count)
    found = {}
    for shard, one in zip(
        shards, cli.progress(examined, total=len(shards), what="shards"), strict=True
    ):
        found[shard.shard.file] = one
        problems += one.problems
    return problems + list(_consistency.across(manifest, found))


def _csv(problems: Sequence[Problem]) -> str:
    def cell(value: int | None) -> str | int:
        return "" if value is None else value

    return files.csv_text(
        ("file", "record", "offset", "key", "problem"),
        (
            (one.place.file, cell(one.place.record), cell(one.place.offset))
            + (one.place.key, one.reason)
            for one in problems
        ),
    )


def _output_file(config: VerifyConfig) -> Path | None:
    if not config.output_file:
        return None
    path = Path(config.output_file)
    cli.existing_folder(str(path.parent), "output_file's folder")
    if path.is_dir():
        raise UsageError(f"--output_file is a folder, received {config.output_file!r}")
    return path


def problems_of(data_dir: Path, *, quick: bool, workers: int) -> list[Problem]:
    """All that is wrong with the data set.

    Raises:
      InputError: the folder holds no data set.
      IntegrityError: its manifest is damaged.
      MismatchError: a newer version of catdog wrote it.
    """
    manifest = schema.read_manifest(data_dir)
    problems = [
        *_consistency.of_manifest(manifest),
        *_consistency.of_tables(data_dir, manifest, hashes=not quick),
    ]
    sizes = list(_consistency.of_sizes(data_dir, manifest))
    if quick:
        return problems + sizes
    problems += _records(data_dir, manifest, workers or core_count())
    # A shard whose records are found wrong needs no line on its size.
    told = {problem.place.file for problem in problems}
    return problems + [problem for problem in sizes if problem.place.file not in told]


def main(config: VerifyConfig) -> dict[str, Any]:
    """What was checked, when nothing is wrong with it.

    Raises:
      UsageError: a folder that is not there.
      InputError: the folder holds no data set.
      IntegrityError: something is wrong; every problem was told on stderr.
      MismatchError: a newer version of catdog wrote it.
    """
    data_dir = cli.existing_folder(config.data_dir, "data_dir")
    path = _output_file(config)
    problems = problems_of(data_dir, quick=config.quick, workers=config.workers)
    for problem in problems[:_MOST_LINES]:
        cli.say(str(problem))
    if len(problems) > _MOST_LINES:
        cli.say(f"… and {len(problems) - _MOST_LINES} more; --output_file=FILE.csv lists all")
    if path is not None:
        files.write_whole(path, _csv(problems))
    if problems:
        broken = sorted({problem.place.file for problem in problems})
        more = f" and {len(broken) - 3} more files" if len(broken) > 3 else ""
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise IntegrityError(
            f"{count} in {data_dir}, in {', '.join(broken[:3])}{more}; copy the "
            "files again, or delete the damaged shards and run the same build again"
        )
    manifest = schema.read_manifest(data_dir)
    return {
        "data_dir": config.data_dir,
        "quick": config.quick,
        "splits": {name: split.examples for name, split in manifest.splits.items()},
        "shards": sum(len(split.shards) for split in manifest.splits.values()),
        "problems": 0,
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, VerifyConfig)


if __name__ == "__main__":
    run()
