"""Shows what is in a data set: one page, one file, to be opened in any browser, without a network.

python -m data_tools.browse_tfrecords --data_dir=data/catdog --output_file=browse.html

Counts, samples, sizes and light, extremes, copies and label conflicts, rejected and excluded
pictures, and a search by key. With --source=train.zip, which the data set was built from, it has
the sizes of the originals, and what can still be seen of rejected pictures. The same data set and
flags give the same bytes.
"""

import dataclasses
import itertools
import os
from collections import Counter
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from catdog import cli, files, html, schema
from catdog.errors import UsageError
from data_tools import (
    _page_charts,
    _page_originals,
    _page_scan,
    _page_search,
    _page_sections,
    _settings,
    _tables,
)
from data_tools._page_originals import Originals
from data_tools._page_scan import Scan, Shown
from data_tools.config import BrowseConfig

_REJECTS_SHOWN = 120
_EXCLUDED_SHOWN = 200
_ABSENT_INDEXED = 20_000  # of each kind
_DROPPED = "dropped"

_STYLE = _page_charts.STYLE + _page_sections.STYLE + _page_search.STYLE


def _output_file(path: str) -> Path:
    """The file to write.

    Raises:
      UsageError: it is no .html, a folder, or in a folder that is not there.
    """
    file = Path(path)
    if file.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--output_file must end with .html, received {path!r}")
    if file.is_dir() or not file.parent.is_dir():
        raise UsageError(
            f"--output_file must be a file in an existing folder, received {path!r}; choose "
            "another place or make the folder"
        )
    return file


def _lost(key: str, class_name: str, originals: Originals | None) -> Shown:
    """A picture that is not stored, seen by its original where that can be decoded."""
    data = originals.read(key) if originals else None
    jpeg = originals.thumbnail(data, _page_scan.THUMBNAIL) if originals and data else b""
    return Shown(key, class_name, "", jpeg, f"{len(data):,} bytes" if data is not None else "")


def _rejects(folder: Path, originals: Originals | None) -> html.Html:
    reasons = _tables.reason_counts(
        row.get("reason", "") for row in _tables.rows(folder, _tables.REJECTS)
    )
    rows: list[tuple[str | int, ...]] = []
    seen = []
    for row in itertools.islice(_tables.rows(folder, _tables.REJECTS), _REJECTS_SHOWN):
        entry = _lost(row.get("key", ""), "", originals)
        if entry.jpeg:
            seen.append(dataclasses.replace(entry, note=row.get("reason", "")))
        size = (entry.note.removesuffix(" bytes") or "gone",) if originals else ()
        rows.append((entry.key, row.get("reason", ""), *size))
    note = "" if originals else "With --source the page shows those that can still be decoded."
    return _page_sections.rejects(reasons, rows, seen, note)


def _excluded(folder: Path) -> html.Html:
    counts: Counter[str] = Counter()
    rows: list[tuple[str | int, ...]] = []
    for row in _tables.rows(folder, _tables.EXCLUDED):
        counts[row.get("data_set", "")] += 1
        if len(rows) < _EXCLUDED_SHOWN:
            names = ("key", "data_set", "key_there", "split_there")
            rows.append(tuple(row.get(name, "") for name in names))
    return _page_sections.excluded(counts, rows) if counts else html.Html("")


def _absent(folder: Path, groups: list[_tables.Group]) -> list[_page_search.Absent]:
    """The pictures that are not in the data set, as the search tells of them."""
    found = []
    for row in _tables.rows(folder, _tables.REJECTS):
        found.append(_page_search.Absent(row.get("key", ""), "rejected", row.get("reason", "")))
        if len(found) == _ABSENT_INDEXED:
            break
    for row in _tables.rows(folder, _tables.EXCLUDED):
        if len(found) == 2 * _ABSENT_INDEXED:
            break
        note = f"{row.get('key_there', '')} in {row.get('data_set', '')} is equal"
        found.append(_page_search.Absent(row.get("key", ""), "excluded", note))
    dropped = (
        _page_search.Absent(member.key, member.fate, f"a copy of {group.members[0].key}")
        for group in groups
        for member in group.members
        if member.fate == _DROPPED
    )
    return found + list(itertools.islice(dropped, _ABSENT_INDEXED))


def _duplicates(
    folder: Path, groups: list[_tables.Group], found: Scan, originals: Originals | None
) -> html.Html:
    known = dict(found.named)
    for group in _page_sections.shown_groups(groups):
        for member in group.members:
            if member.key not in known:
                known[member.key] = _lost(member.key, member.class_name, originals)
    exact = not (folder / _tables.DUPLICATES).is_file()
    listed = not exact or (folder / _tables.SPLITS).is_file()
    table = _tables.SPLITS if exact else _tables.DUPLICATES
    return _page_sections.duplicates(groups, known, listed=listed, table=table)


def _sizes(found: Scan, originals: Originals | None) -> html.Html:
    note = "With --source the page has the sizes of the originals, too."
    if originals:
        note = f"{originals.found:,} originals were read."
        if originals.lost:
            note += f" {originals.lost:,} are gone or have changed and are not counted."
    return _page_sections.measures(found.measures, note)


def _settings_section(manifest: schema.Manifest) -> html.Html:
    rows: list[tuple[str | int, ...]] = list(_settings.settings(manifest).items())
    rows.append(("fingerprint", manifest.fingerprint))
    return _page_sections.section(
        "settings",
        "How it was made",
        html.table(("setting", "value"), rows),
        _page_sections.quiet("The command that makes it again from the same source:"),
        html.tag("pre", {}, html.Html(
            "\n".join(html.text(line) for line in _settings.rebuild_command(manifest).split("\n"))
        )),
    )  # fmt: skip


def _heading(manifest: schema.Manifest, groups: list[_tables.Group]) -> html.Html:
    counts, kept = manifest.counts, sum(split.examples for split in manifest.splits.values())
    shown = [("pictures", kept), ("classes", len(manifest.class_names))]
    shown += [(split.name, split.examples) for split in manifest.splits.values()]
    passed_over = counts.get("passed_over") or {}
    shown += [
        (name.replace("_", " "), int(counts[name]))
        for name in ("rejected", "excluded", "left_out")
        if counts.get(name)
    ]
    shown += [("files passed over", sum(passed_over.values()))] if passed_over else []
    shown += [("groups of copies", len(groups))]
    conflicts = sum(group.conflict for group in groups)
    shown += [("label conflicts", conflicts)] if conflicts else []
    size, stored = manifest.image_size, sum(split.bytes for split in manifest.splits.values())
    words = f"{size} × {size} pixels each, {stored / 1e6:,.1f} MB in "
    words += f"{sum(len(split.shards) for split in manifest.splits.values()):,} shards"
    return html.joined(
        html.tag("h1", {}, manifest.source.get("name", "A data set")),
        _page_sections.quiet(words),
        _page_sections.tiles(shown),
    )


def _menu(body: list[html.Html]) -> html.Html:
    """Links to the sections that are there."""
    names = {
        "classes": "Classes",
        "samples": "Samples",
        "sizes": "Sizes and light",
        "extremes": "Extremes",
        "duplicates": "Copies",
        "rejects": "Rejected",
        "excluded": "Excluded",
        "settings": "How it was made",
    }
    links = (
        html.tag("li", {}, html.tag("a", {"href": f"#{identifier}"}, name))
        for identifier, name in names.items()
        if any(part.startswith(f'<section id="{identifier}"') for part in body)
    )
    return html.tag("nav", {"aria-label": "Sections"}, html.tag("ul", {}, *links))


def _page(
    folder: Path, manifest: schema.Manifest, config: BrowseConfig, originals: Originals | None
) -> str:
    """The text of the page."""
    groups = _tables.duplicate_groups(folder, manifest.class_names)
    limits = _page_scan.Limits(
        config.samples, config.max_index, config.search_pictures, config.seed
    )
    wanted = {m.key for group in _page_sections.shown_groups(groups) for m in group.members}
    found = _page_scan.scan(folder, manifest, limits, wanted=wanted, originals=originals)
    indexed = found.index()
    packed = _page_search.index(manifest, indexed, _absent(folder, groups))
    examples = sum(split.examples for split in manifest.splits.values())
    body = [
        _page_sections.classes(manifest),
        _page_sections.samples(manifest, found.samples(), found.samples_each),
        _sizes(found, originals),
        _page_sections.extremes(found.extremes()),
        _duplicates(folder, groups, found, originals),
        _rejects(folder, originals),
        _excluded(folder),
        _settings_section(manifest),
    ]
    search = _page_search.section(packed, examples, len(indexed))
    main_part = html.tag("main", {}, search, *body)
    head = html.tag("header", {}, _heading(manifest, groups), _menu(body))
    title = f"{manifest.source.get('name', 'data set')}: pictures"
    return html.page(title, head, main_part, style=_STYLE, script=_page_search.SCRIPT)


def main(config: BrowseConfig) -> dict[str, Any]:
    """What was written, once the page is there.

    Raises:
      UsageError: a flag cannot be used as given.
      InputError: --data_dir holds no data set, or --source cannot be read.
      IntegrityError: the data set is damaged; the message names the file and the record.
      OSError: the disk refused; the output file is as it was before.
    """
    output = _output_file(config.output_file)
    folder = cli.existing_folder(config.data_dir, "data_dir")
    manifest = schema.read_manifest(folder)
    for split in manifest.splits.values():
        schema.check_files(folder, split)
    originals = _page_originals.open_originals(config.source, manifest)
    with closing(originals) if originals else nullcontext():
        text = _page(folder, manifest, config, originals)
    files.write_whole(output, text)
    return {
        "pictures": sum(split.examples for split in manifest.splits.values()),
        "splits": {name: split.examples for name, split in manifest.splits.items()},
        "bytes": os.path.getsize(output),
        "output_file": config.output_file,
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, BrowseConfig)


if __name__ == "__main__":
    run()
