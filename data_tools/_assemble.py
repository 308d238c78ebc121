"""A plan becomes a data set: shards missing, finished before or damaged; then the manifest."""

import functools
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catdog import cli, files, schema
from catdog.errors import InputError
from data_tools import _describe, _exclusion, _mend, _plan, _state, card, writer
from data_tools._scan import Reject
from data_tools._workers import Workers
from data_tools.config import BuildConfig

# A message of prepared pictures has at most so many of them, and about so many bytes.
_BATCH, _BATCH_BYTES = 16, 2_000_000


def _tasks(plan: _plan.Plan, folder: Path) -> dict[str, list[writer.ShardTask]]:
    """The shards of each split as they are to be in the folder."""
    return {
        split: [
            writer.ShardTask(folder / schema.shard_name(split, index, len(shards)), pictures)
            for index, pictures in enumerate(shards)
        ]
        for split, shards in plan.shards.items()
    }


def _records(
    tasks: list[writer.ShardTask], plan: _plan.Plan, config: BuildConfig, pool: Workers
) -> Iterator[writer.Record | Reject]:
    """What becomes of each picture of the tasks, in order."""
    preparation = writer.Preparation(
        class_names=plan.class_names,
        image_size=config.image_size,
        resize=config.resize,
        jpeg_quality=config.jpeg_quality,
        max_pixels=config.max_pixels,
        decoder=config.decoder,
    )
    prepared = pool.map(
        functools.partial(writer.prepare, preparation),
        itertools.chain.from_iterable(task.pictures for task in tasks),
        lost=writer.lost,
        batch=max(1, min(_BATCH, _BATCH_BYTES // _plan.estimated_bytes(1, config.image_size))),
    )
    total = sum(len(task.pictures) for task in tasks)
    return cli.progress(prepared, total=total, what="preparing pictures")


def _check_rejects(count: int, config: BuildConfig, last: Reject | None) -> None:
    if last is not None and 0 <= config.max_rejects < count:
        raise InputError(
            f"more than --max_rejects={config.max_rejects} pictures are rejected, "
            f"{last.key!r} for instance: {last.reason}; mend the source or allow more"
        )


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
    records = _records(missing, plan, config, pool)
    written: dict[str, list[writer.WrittenShard]] = {name: [] for name in tasks}
    rejects = list(plan.rejects)
    _check_rejects(len(rejects), config, rejects[-1] if rejects else None)
    for name, split in tasks.items():
        for task in split:
            shard = finished.get(task.path.name)
            if shard is None:
                shard = writer.write_shard(task, records)
                state.commit(shard)
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


def settings(
    config: BuildConfig, source: dict[str, str], others: _exclusion.Others
) -> dict[str, Any]:
    """All that decides the result, but for the pictures; nothing that names a place."""
    aside = ("source", "output_dir", "layout", "workers", "max_rejects", "licence", "dry_run")
    found = {name: value for name, value in vars(config).items() if name not in aside}
    found["exclude_duplicates_of"] = others.fingerprints
    return found | {"source": source, "libraries": _describe.libraries(config.decoder)}


def build(
    state: _state.State,
    plan: _plan.Plan,
    config: BuildConfig,
    source: dict[str, str],
    pool: Workers,
) -> tuple[schema.Manifest, list[Reject]]:
    """The data set's manifest and rejects, once all of it is in the state's data folder."""
    state.check_plan(plan)
    written = _written(plan, config, state, pool)
    manifest, texts = _describe.describe(plan, config, source, written)
    for name, text in texts.items():
        files.write_whole(state.data / name, text)
    card.write_card(state.data, manifest, config.licence)
    files.write_whole(state.data / schema.MANIFEST_FILE, schema.manifest_text(manifest))
    return manifest, _describe.all_rejects(plan, written)


def mended(
    folder: Path,
    work: Path,
    plan: _plan.Plan,
    config: BuildConfig,
    source: dict[str, str],
    pool: Workers,
) -> tuple[schema.Manifest, list[Reject]]:
    """The finished data set's manifest and rejects, once everything is as it says."""

    def remake(tasks: list[writer.ShardTask]) -> Iterator[writer.WrittenShard]:
        records = _records(tasks, plan, config, pool)
        return (writer.write_shard(task, records) for task in tasks)

    def describe(written: _describe.Written) -> tuple[schema.Manifest, dict[str, str]]:
        return _describe.describe(plan, config, source, written)

    manifest, written = _mend.mend(folder, _tasks(plan, work), remake, describe)
    # People may have written in a card that is there, and a folder that is whole be read-only.
    if not (folder / card.CARD_FILE).exists() and os.access(folder, os.W_OK):
        card.write_card(folder, manifest, config.licence)
    return manifest, _describe.all_rejects(plan, written)
