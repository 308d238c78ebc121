"""Tells two data sets apart: which pictures came, went, or changed, and which settings differ.

python -m data_tools.diff data/old data/new --output_file=diff.csv

A picture is known by its key, its bytes by their sha256. The last line of stdout is JSON; "equal"
says whether pictures, their classes and splits, and the settings agree. The exit code is 0 in
either case: 1 would mean a bug here, as in every other command.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from catdog import cli, files, html, schema
from catdog.errors import UsageError
from data_tools import _settings, _tables
from data_tools.config import DiffConfig

CAME, WENT, RENAMED = "came", "went", "renamed"
BYTES, CLASS, SPLIT = "bytes", "class", "split"
_KINDS = (CAME, WENT, RENAMED, BYTES, CLASS, SPLIT)

_HEADER = (
    *("change", "key", "key_before", "split_before", "split", "class_before", "class"),
    *("sha256_before", "sha256"),
)


@dataclasses.dataclass(frozen=True, order=True)
class _Picture:
    """A picture of one of the two data sets."""

    key: str
    split: str
    class_name: str
    sha256: str


_NONE = _Picture("", "", "", "")


@dataclasses.dataclass(frozen=True)
class Change:
    """What changed of a picture, in one or more kinds; one side is empty if it came or went."""

    kinds: tuple[str, ...]
    before: _Picture
    after: _Picture

    @property
    def key(self) -> str:
        """The picture's key, the new one if there are two."""
        return self.after.key or self.before.key

    def row(self) -> tuple[str, ...]:
        """As a row of the CSV file."""
        a, b = self.before, self.after
        renamed = a.key if RENAMED in self.kinds else ""
        pairs = (a.split, b.split, a.class_name, b.class_name, a.sha256, b.sha256)
        return ("+".join(self.kinds), self.key, renamed, *pairs)

    def text(self) -> str:
        """In words: the key, and what was and is."""
        a, b = self.before, self.after
        said = {
            CAME: f"{b.split}, {b.class_name}",
            WENT: f"{a.split}, {a.class_name}",
            RENAMED: f"was {a.key}",
            BYTES: f"{a.sha256[:12]} -> {b.sha256[:12]}",
            CLASS: f"{a.class_name} -> {b.class_name}",
            SPLIT: f"{a.split} -> {b.split}",
        }
        return html.visible(f"{self.key}: " + "; ".join(said[kind] for kind in self.kinds))


def _pictures(folder: Path, manifest: schema.Manifest) -> dict[str, _Picture]:
    """The stored pictures by key."""
    _tables.check(folder, manifest, _tables.SPLITS)
    # Equal names are one object each: a million rows have few splits and classes.
    names: dict[str, str] = {}
    found = {}
    for row in _tables.rows(folder, _tables.SPLITS):
        split, name = (names.setdefault(row[c], row[c]) for c in ("split", "class"))
        found[row["key"]] = _Picture(row["key"], split, name, row["sha256"])
    return found


def _kinds(before: _Picture, after: _Picture) -> tuple[str, ...]:
    differs = {
        BYTES: before.sha256 != after.sha256,
        CLASS: before.class_name != after.class_name,
        SPLIT: before.split != after.split,
    }
    return tuple(kind for kind, is_so in differs.items() if is_so)


def changes(before: dict[str, _Picture], after: dict[str, _Picture]) -> Iterator[Change]:
    """What changed, sorted by key; one that went and one that came with its bytes is renamed."""
    went: dict[str, list[_Picture]] = defaultdict(list)
    for key in sorted(before.keys() - after.keys(), reverse=True):
        went[before[key].sha256].append(before[key])
    found = []
    for key in sorted(after):
        new = after[key]
        old = before.get(key)
        if old is None:
            twins = went.get(new.sha256)
            if twins:
                old = twins.pop()
                found.append(Change((RENAMED, *_kinds(old, new)), old, new))
            else:
                found.append(Change((CAME,), _NONE, new))
        elif old != new:
            found.append(Change(_kinds(old, new), old, new))
    found += [Change((WENT,), old, _NONE) for left in went.values() for old in left]
    return iter(sorted(found, key=lambda change: change.key))


def _differing(a: schema.Manifest, b: schema.Manifest) -> dict[str, list[str]]:
    """{setting: [before, after]} where they differ; empty where a data set lacks the setting."""
    first, second = _settings.settings(a), _settings.settings(b)
    return {
        name: [first.get(name, ""), second.get(name, "")]
        for name in (first | second)
        if first.get(name, "") != second.get(name, "")
    }


def _lines(found: Iterable[Change], settings: dict[str, list[str]], rows: int) -> Iterator[str]:
    by_kind: dict[str, list[Change]] = {kind: [] for kind in _KINDS}
    for change in found:
        for kind in change.kinds:
            by_kind[kind].append(change)
    titles = {CAME: "came", WENT: "went", RENAMED: "renamed", BYTES: "other bytes"}
    titles |= {CLASS: "another class", SPLIT: "another split"}
    for kind, mine in by_kind.items():
        if mine:
            yield f"{titles[kind]}: {len(mine):,}"
            yield from (f"  {change.text()}" for change in mine[:rows])
            if len(mine) > rows:
                yield f"  and {len(mine) - rows:,} more"
    for name, (before, after) in settings.items():
        yield html.visible(f"{name}: {before or 'nothing'} -> {after or 'nothing'}")


def _folders(paths: list[str]) -> tuple[Path, Path]:
    """The two folders.

    Raises:
      UsageError: there are not two, or one is no folder.
    """
    if len(paths) != 2:
        raise UsageError(f"give the folders of two data sets, A and B; received {len(paths)}")
    for path in paths:
        if not Path(path).is_dir():
            raise UsageError(f"A and B must be existing folders, received {path!r}")
    return Path(paths[0]), Path(paths[1])


def main(config: DiffConfig, paths: list[str]) -> dict[str, Any]:
    """The counts of what differs, once the text is printed and the CSV file is there.

    Raises:
      UsageError, InputError: the paths are not two folders, or one holds no data set.
      IntegrityError: a manifest or a splits.csv is damaged.
      OSError: the disk refused; the output file is as it was before.
    """
    folders = _folders(paths)
    a, b = (schema.read_manifest(folder) for folder in folders)
    before, after = _pictures(folders[0], a), _pictures(folders[1], b)
    found, settings = list(changes(before, after)), _differing(a, b)
    for line in _lines(found, settings, config.rows):
        print(line)
    if not found and not settings:
        print("the same pictures in the same splits, made with the same settings")
    if config.output_file:
        text = files.csv_text(_HEADER, (change.row() for change in found))
        files.write_whole(Path(config.output_file), text)
    counts = {kind: sum(kind in change.kinds for change in found) for kind in _KINDS}
    return {
        "equal": not found and not settings,
        "same_records": a.fingerprint == b.fingerprint,
        "before": len(before),
        "after": len(after),
        **counts,
        "settings": settings,
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, DiffConfig, positional="A B")


if __name__ == "__main__":
    run()
