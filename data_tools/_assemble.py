"""A plan becomes a data set: shards missing, finished before or damaged; then the manifest."""

import contextlib
import dataclasses
import functools
import itertools
import os
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from catdog import cli, files, schema
from data_tools import _describe, _exclusion, _mend, _plan, _prepare, _state, card, writer
from data_tools._workers import Workers, core_count
from data_tools.config import BuildConfig

# Shards that are written at a time: more would wait for each other, or for the disk.
_MOST_WRITERS = 4

Shards = Generator[writer.WrittenShard, None, None]


def _tasks(plan: _plan.Plan, folder: Path) -> dict[str, list[writer.ShardTask]]:
    """The shards of each split as they are to be in the folder."""
    return {
        split: [
            writer.ShardTask(folder / schema.shard_name(split, index, len(shards)), pictures)
            for index, pictures in enumerate(shards)
        ]
        for split, shards in plan.shards.items()
    }


def _prepared(
    tasks: list[writer.ShardTask], plan: _plan.Plan, config: BuildConfig, pool: Workers
) -> Iterator[_prepare.Record]:
    """The record of each picture of the tasks, in order, made from its source."""
    preparation = _prepare.Preparation.of(config, plan.class_names)
    records = pool.map(
        functools.partial(writer.prepare, preparation),
        itertools.chain.from_iterable(task.pictures for task in tasks),
        lost=writer.lost,
        batch=_prepare.batch(config.image_size),
    )
    total = sum(len(task.pictures) for task in tasks)
    return cli.progress(records, total=total, what="preparing pictures")


class _Stopped(Exception):
    """The build ends; whoever writes a shard is to leave it."""


def _kept(tasks: list[writer.ShardTask], config: BuildConfig, state: _state.State) -> Shards:
    """The shard of each task, in order, of records that pass 1 made; several are being written.

    To copy and hash those leaves the interpreter free most of the time. When this ends, in whatever
    way, no thread writes any more.
    """
    stop = threading.Event()
    counts = [0] * len(tasks)

    def records(place: int) -> Iterator[_prepare.Record]:
        for picture in tasks[place].pictures:
            if stop.is_set():
                raise _Stopped
            counts[place] += 1
            yield state.record(picture)

    def write(place: int) -> writer.WrittenShard:
        return writer.write_shard(tasks[place], records(place))

    meter, told = cli.Meter(sum(len(task.pictures) for task in tasks), "writing records"), 0
    threads = ThreadPoolExecutor(min(config.workers or core_count(), _MOST_WRITERS))
    try:
        for future in [threads.submit(write, place) for place in range(len(tasks))]:
            while not future.done():
                wait([future], timeout=1.0)
                meter.advance((now := sum(counts)) - told)
                told = now
            yield future.result()
    finally:
        stop.set()
        try:
            threads.shutdown(cancel_futures=True)
        finally:  # a first signal may have ended that wait; a second one ends the process
            threads.shutdown()
        meter.close()


def _written(
    plan: _plan.Plan, config: BuildConfig, state: _state.State, pool: Workers
) -> dict[str, list[writer.WrittenShard]]:
    """The shards of each split, all of them on disk in the state's data folder."""
    tasks = _tasks(plan, state.data)
    every = [task for split in tasks.values() for task in split]
    finished = {task.path.name: shard for task in every if (shard := state.finished(task))}
    state.tidy(set(finished))
    if finished:
        cli.say(f"going on: {len(finished)} of {len(every)} shards are finished")
    missing = [task for task in every if task.path.name not in finished]
    if state.records:
        fresh = _kept(missing, config, state)
    else:
        records = _prepared(missing, plan, config, pool)
        fresh = (writer.write_shard(task, records) for task in missing)
    # Closed here: an exception would hold it, and its threads, for as long as it is on its way.
    with contextlib.closing(fresh):
        for shard in fresh:
            state.commit(shard)
            finished[shard.shard.file] = shard
    return {name: [finished[task.path.name] for task in split] for name, split in tasks.items()}


def settings(
    config: BuildConfig,
    source: dict[str, str],
    class_names: tuple[str, ...],
    others: _exclusion.Others,
) -> dict[str, Any]:
    """All that decides the result, but for the pictures; nothing that names a place."""
    aside = ("source", "output_dir", "layout", "workers", "max_rejects", "licence", "dry_run")
    found = {name: value for name, value in vars(config).items() if name not in aside}
    found["exclude_duplicates_of"] = others.fingerprints
    found |= {"source": source, "class_names": class_names}
    return found | {"libraries": _describe.libraries(config.decoder)}


def build(
    state: _state.State,
    plan: _plan.Plan,
    config: BuildConfig,
    source: dict[str, str],
    pool: Workers,
) -> schema.Manifest:
    """The data set's manifest, once all of it is in the state's data folder."""
    state.check_plan(plan)
    written = _written(plan, config, state, pool)
    manifest, texts = _describe.describe(plan, config, source, written)
    for name, text in texts.items():
        files.write_whole(state.data / name, text)
    card.write_card(state.data, manifest, config.licence)
    files.write_whole(state.data / schema.MANIFEST_FILE, schema.manifest_text(manifest))
    return manifest


def check_mendable(
    folder: Path,
    config: BuildConfig,
    source: dict[str, str],
    class_names: tuple[str, ...],
    others: _exclusion.Others,
) -> None:
    """Nothing, when the finished data set is one of these settings, for all that it says itself.

    Raises:
      IntegrityError: its manifest is damaged.
      MismatchError: it is one of others.
    """
    _mend.check_settings(folder, _describe.stated(config, source, class_names, others.fingerprints))


def mended(
    folder: Path,
    work: Path,
    plan: _plan.Plan,
    config: BuildConfig,
    source: dict[str, str],
    pool: Workers,
) -> schema.Manifest:
    """The finished data set's manifest, once everything is as it says."""

    def remake(tasks: list[writer.ShardTask]) -> Iterator[writer.WrittenShard]:
        records = _prepared(tasks, plan, config, pool)
        return (writer.write_shard(task, records) for task in tasks)

    def describe(
        written: _describe.Written, passed_over: dict[str, int]
    ) -> tuple[schema.Manifest, dict[str, str]]:
        then = dataclasses.replace(plan, passed_over=passed_over)
        return _describe.describe(then, config, source, written)

    manifest = _mend.mend(folder, _tasks(plan, work), remake, describe)
    # People may have written in a card that is there, and a folder that is whole be read-only.
    if not (folder / card.CARD_FILE).exists() and os.access(folder, os.W_OK):
        card.write_card(folder, manifest, config.licence)
    return manifest
