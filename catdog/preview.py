"""Draws what the model will see: stored pictures, and what the augmentations make of them.

python -m catdog.preview --data_dir=DATA --augmentation=random_resized_crop,colour,mixup
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from catdog import cli, inquest, schema
from catdog.config import PreviewConfig
from catdog.errors import UsageError
from catdog.reports.sheet import Cell, write_sheet

# Text needs some room, however small the model's pictures are.
_LEAST_SIDE = 160


@dataclasses.dataclass(frozen=True)
class _Stored:
    """A record: its example's number in the split, its label, its key, its JPEG."""

    number: int
    label: int
    key: str
    jpeg: bytes


def _stored(data_dir: Path, split: schema.Split) -> Iterator[_Stored]:
    """All records of the split, in the order of the files."""
    import tensorflow as tf

    paths = [str(data_dir / shard.file) for shard in split.shards]
    records = tf.data.TFRecordDataset(paths).map(schema.parse)
    for number, record in enumerate(records.as_numpy_iterator()):
        key = record["key"].decode(errors="backslashreplace")
        yield _Stored(number, int(record["label"]), key, record["encoded"])


def _chosen(records: Iterator[_Stored], count: int, classes: int) -> list[_Stored]:
    """The first records with as many of each class as there are, `count` in all if possible."""
    quota = -(-count // classes)
    found: list[_Stored] = []
    spare: list[_Stored] = []
    taken: Counter[int] = Counter()
    for record in records:
        if taken[record.label] < quota:
            taken[record.label] += 1
            found.append(record)
        elif len(spare) < count:
            spare.append(record)
        if len(found) == count:
            break
    return [*found, *spare][:count]


def _check_usable(config: PreviewConfig, manifest: schema.Manifest, unusable: list[int]) -> None:
    if unusable:
        data_dir = Path(config.data_dir)
        problems = inquest.bad_records(data_dir, manifest, config.split, unusable)
        raise inquest.error_of(problems, data_dir)


def _versions(
    config: PreviewConfig, manifest: schema.Manifest, chosen: list[_Stored]
) -> dict[tuple[int, int], tuple[NDArray[Any], NDArray[Any]]]:
    """(example's number, epoch) -> its image and its targets, as training will get them."""
    import numpy as np

    from catdog import parts
    from catdog.data import order, pipeline

    split = manifest.split(config.split)
    augmentations = parts.make_augmentations(
        config.augmentation,
        config.augmentation_option,
        config.image_size,
        manifest.statistics(config.split),
    )
    window_bytes = config.shuffle_window_mb << 20
    per_epoch = pipeline.steps_per_epoch(split.examples, config.batch_size)
    counts, sizes = zip(*((shard.examples, shard.bytes) for shard in split.shards), strict=True)
    wanted = {record.number for record in chosen}
    steps: set[int] = set()
    for epoch in range(config.samples):
        windows = order.shuffled(
            counts, sizes, window_bytes=window_bytes, seed=config.seed, epoch=epoch
        )
        ids = np.concatenate([window.ids for window in windows])
        places = np.flatnonzero(np.isin(ids, list(wanted)))
        steps.update((epoch * per_epoch + places // config.batch_size).tolist())
    batches = pipeline.chosen_batches(
        Path(config.data_dir),
        manifest,
        config.split,
        sorted(steps),
        slice_=pipeline.Slice(config.batch_size),
        augmentations=augmentations,
        seed=config.seed,
        window_bytes=window_bytes,
    )
    versions = {}
    for step, batch in zip(sorted(steps), batches.as_numpy_iterator(), strict=True):
        _check_usable(config, manifest, order.bad_examples(batch["ids"]))
        for number, image, targets in zip(
            batch["ids"], batch["images"], batch["targets"], strict=True
        ):
            if number in wanted:
                versions[int(number), step // per_epoch] = (image.copy(), targets)
    return versions


def _shares(targets: NDArray[Any], class_names: tuple[str, ...]) -> tuple[str, ...]:
    """What a version counts as: its class, or a line for each class with the share it has."""
    there = [label for label in targets.argsort(kind="stable")[::-1] if targets[label] > 0]
    if len(there) == 1:
        return (class_names[there[0]],)
    lines = [f"{class_names[label]} {targets[label]:.2f}" for label in there]
    return (lines[0], *(f"+ {line}" for line in lines[1:]))


def _rows(
    config: PreviewConfig, manifest: schema.Manifest, chosen: list[_Stored]
) -> list[list[Cell]]:
    import tensorflow as tf

    names = manifest.class_names
    versions = _versions(config, manifest, chosen)
    rows = []
    for record in chosen:
        whole = tf.io.decode_jpeg(record.jpeg, channels=3).numpy()
        row = [Cell(whole, (names[record.label], record.key))]
        for epoch in range(config.samples):
            image, targets = versions[record.number, epoch]
            row.append(Cell(image, _shares(targets, names)))
        rows.append(row)
    return rows


def main(config: PreviewConfig) -> dict[str, Any]:
    """The file that was drawn, and how much is on it."""
    data_dir = cli.existing_folder(config.data_dir, "data_dir")
    path = Path(config.output_file)
    cli.existing_folder(str(path.parent), "output_file's folder")
    if path.is_dir() or path.suffix.lower() != ".png":
        raise UsageError(f"--output_file must name a .png file, received {config.output_file!r}")
    manifest = schema.read_checked(data_dir, [config.split])
    split = manifest.split(config.split)
    if not split.examples:
        raise UsageError(f"the split {config.split!r} has no pictures; choose another --split")
    cli.import_tensorflow()
    from catdog import agreement

    agreement.check_image_size(config, manifest)
    records = _stored(data_dir, split)
    chosen = _chosen(records, config.pictures, len(manifest.class_names))
    rows = _rows(config, manifest, chosen)
    title = f"{', '.join(config.augmentation)} · {config.split} split · seed {config.seed}"
    columns = ["stored", *(f"epoch {epoch + 1}" for epoch in range(config.samples))]
    side = max(config.image_size, _LEAST_SIDE)
    write_sheet(
        path, rows, columns=columns, heading=[title, *config.augmentation_option], side=side
    )
    return {
        "pictures": len(rows),
        "samples": config.samples,
        "augmentation": list(config.augmentation),
        "output_file": config.output_file,
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, PreviewConfig)


if __name__ == "__main__":
    run()
