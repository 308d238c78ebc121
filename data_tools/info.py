"""Tells what is in a data set: counts, sizes, rejected pictures, copies, and how it was made.

python -m data_tools.info --data_dir=data/catdog

The manifest and the tables beside it are read, not the pictures: see browse_tfrecords for those.
The last line of stdout is JSON, as everywhere.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from catdog import cli, html, schema
from data_tools import _settings, _tables
from data_tools.config import InfoConfig

_CLASSES_SHOWN = 40
_REASONS_SHOWN = 20


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as lines with aligned columns: the first to the left, the others to the right."""
    shown = [[html.visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        first = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([first, *rest]).rstrip()


def _split_lines(manifest: schema.Manifest) -> Iterator[str]:
    splits = list(manifest.splits.values())
    rows = [["split", "pictures", "shards", "MB"]]
    for split in splits:
        shards = f"{len(split.shards):,}"
        rows.append([split.name, f"{split.examples:,}", shards, f"{split.bytes / 1e6:,.1f}"])
    yield from aligned(rows)
    yield ""
    rows = [["class", *(split.name for split in splits), "all"]]
    for label, name in enumerate(manifest.class_names[:_CLASSES_SHOWN]):
        counts = [split.label_counts[label] for split in splits]
        rows.append([name, *(f"{count:,}" for count in counts), f"{sum(counts):,}"])
    yield from aligned(rows)
    if len(manifest.class_names) > _CLASSES_SHOWN:
        yield f"and {len(manifest.class_names) - _CLASSES_SHOWN:,} more classes"
    yield ""
    for split in splits:
        if sum(shard.sums.pixels for shard in split.shards):
            found = manifest.statistics(split.name)
            mean, std = (", ".join(f"{v:.2f}" for v in part) for part in (found.mean, found.std))
            yield f"{split.name} pixels, red green blue: mean {mean}; deviation {std}"


def counted(title: str, counts: Counter[str]) -> Iterator[str]:
    """A line with the sum of the counts, and one for each of them, the largest first."""
    if counts:
        yield f"{title}: {counts.total():,}"
        ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        for reason, count in ordered[:_REASONS_SHOWN]:
            yield f"  {count:,}  {html.visible(reason)}"
        if len(ordered) > _REASONS_SHOWN:
            yield f"  and {len(ordered) - _REASONS_SHOWN:,} more reasons"


def _copies_line(groups: Sequence[_tables.Group]) -> str:
    conflicts = sum(group.conflict for group in groups)
    across = sum(len(group.splits) > 1 for group in groups)
    return (
        f"copies: {len(groups):,} groups, {conflicts:,} with more than one label, "
        f"{across:,} in more than one split"
    )


def _lines(
    manifest: schema.Manifest,
    rejects: Counter[str],
    excluded: Counter[str],
    groups: Sequence[_tables.Group],
) -> Iterator[str]:
    name = html.visible(str(manifest.source.get("name", "a data set")))
    size = manifest.image_size
    yield f"{name}: pictures of {size} x {size} pixels, format {manifest.schema_version}"
    yield ""
    yield from _split_lines(manifest)
    yield from counted("rejected", rejects)
    yield from counted("excluded, already in", excluded)
    yield from counted("files passed over", Counter(manifest.counts.get("passed_over") or {}))
    if manifest.counts.get("left_out"):
        yield f"left out by --sample_size or --splits: {manifest.counts['left_out']:,}"
    yield _copies_line(groups)
    yield ""
    yield from aligned_pairs(_settings.settings(manifest) | {"fingerprint": manifest.fingerprint})
    yield ""
    yield "made again by:"
    yield from map(html.visible, _settings.rebuild_command(manifest).split("\n"))
    yield ""


def aligned_pairs(pairs: dict[str, str]) -> Iterator[str]:
    """A line for each name and its value, the values below each other."""
    width = max(map(len, pairs))
    for name, value in pairs.items():
        yield f"{name.ljust(width)}  {html.visible(value)}".rstrip()


def main(config: InfoConfig) -> dict[str, Any]:
    """The counts of the data set, once the text is printed.

    Raises:
      UsageError, InputError: --data_dir is no folder, or holds no data set.
      IntegrityError: the manifest or a table is damaged.
    """
    folder = Path(cli.existing_folder(config.data_dir, "data_dir"))
    manifest = schema.read_manifest(folder)
    rejects = _tables.reason_counts(
        row.get("reason", "") for row in _tables.rows(folder, _tables.REJECTS)
    )
    excluded = Counter(row.get("data_set", "") for row in _tables.rows(folder, _tables.EXCLUDED))
    groups = _tables.duplicate_groups(folder, manifest.class_names)
    for line in _lines(manifest, rejects, excluded, groups):
        print(line)
    return {
        "pictures": sum(split.examples for split in manifest.splits.values()),
        "classes": len(manifest.class_names),
        "splits": {name: split.examples for name, split in manifest.splits.items()},
        "bytes": sum(split.bytes for split in manifest.splits.values()),
        "rejected": rejects.total(),
        "excluded": excluded.total(),
        "copies": len(groups),
        "label_conflicts": sum(group.conflict for group in groups),
        "fingerprint": manifest.fingerprint,
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, InfoConfig)


if __name__ == "__main__":
    run()
