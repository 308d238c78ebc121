"""A plan becomes a data set: shards missing, finished before or damaged; then the manifest."""

import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from catdog import cli, files, schema
from data_tools import _describe, _exclusion, _mend, _plan, _prepare, _state, card, writer
from data_tools._workers import Workers
from data_tools.config import BuildConfig

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


def _copied(tasks: list[writer.ShardTask], state: _state.State, pool: Workers) -> Shards:
    """The shard of each task, in order, of records that pass 1 made; each worker writes one."""
    shards = pool.map(
        writer.Copying(state.records),
        map(writer.Copy.of, tasks),
        lost=writer.Copy.lost,
        timed=False,
    )

    def finished() -> Shards:
        meter = cli.Meter(sum(len(task.pictures) for task in tasks), "writing records")
        with contextlib.closing(meter):
            for task, shard in zip(tasks, shards, strict=True):
                meter.advance(len(task.pictures))
                yield writer.WrittenShard(shard, task.pictures)

    return finished()


def _made(
    tasks: list[writer.ShardTask], plan: _plan.Plan, config: BuildConfig, pool: Workers
) -> Shards:
    """The shard of each task, in order, of records that are made for it."""
    records = _prepared(tasks, plan, config, pool)
    for task in tasks:
        shard = writer.write_shard(task.path, len(task.pictures), records)
        yield writer.WrittenShard(shard, task.pictures)


def _written(
    plan: _plan.Plan,
    config: BuildConfig,
    source: dict[str, str],
    state: _state.State,
    pool: Workers,
) -> tuple[dict[str, list[writer.WrittenShard]], dict[str, str]]:
    """The shards of each split, all of them on disk in the state's data folder; and the tables."""
    tasks = _tasks(plan, state.data)
    every = [task for split in tasks.values() for task in split]
    finished = {task.path.name: shard for task in every if (shard := state.finished(task))}
    state.tidy(set(finished))
    if finished:
        cli.say(f"going on: {len(finished)} of {len(every)} shards are finished")
    missing = [task for task in every if task.path.name not in finished]
    kept = bool(state.records)
    try:
        fresh = _copied(missing, state, pool) if kept else _made(missing, plan, config, pool)
        with contextlib.closing(fresh):  # an exception would hold it, and the meter's line
            lists = _describe.tables(plan, config, source)  # while workers write
            for shard in fresh:
                state.commit(shard)
                finished[shard.shard.file] = shard
    except BaseException:
        pool.close()  # nobody writes any more
        state.tidy({task.path.name for task in every})
        raise
    written = {name: [finished[task.path.name] for task in of] for name, of in tasks.items()}
    return written, lists


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
    written, lists = _written(plan, config, source, state, pool)
    manifest, texts = _describe.describe(plan, config, source, written, lists)
    for name, text in texts.items():
        files.write_whole(state.data / name, text, settled=False)
    card.write_card(state.data, manifest, config.licence, settled=False)
    text = schema.manifest_text(manifest)
    files.write_whole(state.data / schema.MANIFEST_FILE, text, settled=False)
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
        return _made(tasks, plan, config, pool)

    def describe(
        written: _describe.Written, passed_over: dict[str, int]
    ) -> tuple[schema.Manifest, dict[str, str]]:
        then = dataclasses.replace(plan, passed_over=passed_over)
        lists = _describe.tables(then, config, source)
        return _describe.describe(then, config, source, written, lists)

    manifest = _mend.mend(folder, _tasks(plan, work), remake, describe)
    # People may have written in a card that is there, and a folder that is whole be read-only.
    if not (folder / card.CARD_FILE).exists() and os.access(folder, os.W_OK):
        card.write_card(folder, manifest, config.licence)
    return manifest
