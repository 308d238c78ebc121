"""The sections of the page about a data set, each from what was counted or kept for it."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from catdog import html, schema
from data_tools import _page_charts
from data_tools._page_scan import Shown
from data_tools._tables import Group

STYLE = """\
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .5rem;
  margin: 1rem 0; padding: 0; }
.tiles div { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem;
  padding: .5rem .75rem; }
.tiles dt { color: var(--quiet); font-size: .8125rem; }
.tiles dd { margin: 0; font-size: 1.375rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
nav { margin: .75rem 0; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0;
  padding: 0; }
nav a { display: inline-block; padding: .2rem 0; }
.pictures { list-style: none; margin: .5rem 0 1rem; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); }
.pictures figure { margin: 0; }
.pictures img, .none { display: block; width: 100%; aspect-ratio: 1; border-radius: .25rem;
  background: var(--panel); outline: 1px solid var(--line); outline-offset: -1px; }
.none { display: grid; place-items: center; text-align: center; padding: .5rem;
  outline: 1px dashed var(--quiet); color: var(--quiet); font-size: .8125rem; }
.pictures figcaption { font-size: .75rem; line-height: 1.35; margin-top: .25rem; }
.pictures .key { font-size: .75rem; }
.pairs { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 36rem), 1fr)); }
.groups { display: flex; flex-wrap: wrap; gap: 1.25rem 2rem; margin: 1rem 0; }
.group { border-left: 4px solid var(--line); padding-left: .75rem; min-width: 0; }
.group .pictures { display: flex; flex-wrap: wrap; margin-bottom: 0; }
.group li { width: 6rem; }
.group.conflict { border-color: var(--bad); }
.group p { margin: 0; }
"""

# {name of a measure: (title, unit)}, in the order in which they are shown.
_MEASURES = {
    "longer side": ("Size of the originals", "pixels of the longer side"),
    "width / height": ("Shape of the originals", "width / height"),
    "file": ("Files of the originals", "kB"),
    "stored": ("Stored pictures", "kB; more detail takes more"),
    "brightness": ("Brightness", "mean gray value, 0 to 255"),
}
_CLASSES_DRAWN = 30
_ROWS_OPEN = 20
_GROUPS_SHOWN, _MEMBERS_SHOWN = 40, 8
_LISTED = 200


def section(identifier: str, title: str, *children: str) -> html.Html:
    """A section with a heading that the page's menu can point to."""
    return html.tag("section", {"id": identifier}, html.tag("h2", {}, title), *children)


def quiet(*words: str) -> html.Html:
    """A paragraph that explains."""
    return html.tag("p", {"class": "quiet"}, *words)


def key(name: str) -> html.Html:
    """The key of a picture; it may be broken after each of its folders."""
    parts = name.split("/")
    pieces = [html.joined(part, "/", html.Html("<wbr>")) for part in parts[:-1]]
    return html.tag("span", {"class": "key"}, *pieces, parts[-1])


def folded(summary: str, content: html.Html, *, is_open: bool) -> html.Html:
    """The content under a line that opens and shuts it."""
    state = {"open": "" if is_open else None}
    return html.tag("details", state, html.tag("summary", {}, summary), content)


def picture(shown: Shown, *, with_class: bool = True) -> html.Html:
    """A picture with its key and what is said of it; without a JPEG, an empty frame."""
    if shown.jpeg:
        attributes: dict[str, str | int] = {
            "src": html.jpeg_uri(shown.jpeg),
            "alt": f"{shown.class_name}: {shown.key}" if shown.class_name else shown.key,
            "width": 128,
            "height": 128,
            "data-key": shown.key,
        }
        seen = html.tag("img", attributes)
    else:
        seen = html.tag("span", {"class": "none"}, "no picture")
    place = " · ".join(part for part in (shown.class_name, shown.split) if part)
    lines = [key(shown.key)]
    lines += [html.tag("div", {"class": "quiet"}, place)] if with_class and place else []
    lines += [html.tag("div", {"class": "quiet"}, shown.note)] if shown.note else []
    figure = html.tag("figure", {}, seen, html.tag("figcaption", {}, *lines))
    return html.tag("li", {}, figure)


def pictures(entries: Sequence[Shown], *, with_class: bool = True) -> html.Html:
    """A grid of pictures."""
    cells = (picture(shown, with_class=with_class) for shown in entries)
    return html.tag("ul", {"class": "pictures"}, *cells)


def tiles(counts: Sequence[tuple[str, int]]) -> html.Html:
    """The counts at the top of the page."""
    pairs = (
        html.tag("div", {}, html.tag("dt", {}, name), html.tag("dd", {}, f"{count:,}"))
        for name, count in counts
    )
    return html.tag("dl", {"class": "tiles"}, *pairs)


def classes(manifest: schema.Manifest) -> html.Html:
    """How many pictures of each class each split has: bars, and all of it as a table."""
    names = manifest.class_names
    drawn = list(range(len(names)))
    note = html.Html("")
    if len(names) > _CLASSES_DRAWN:
        totals = [sum(s.label_counts[i] for s in manifest.splits.values()) for i in drawn]
        drawn.sort(key=lambda label: (-totals[label], label))
        half = _CLASSES_DRAWN // 2
        drawn = drawn[:half] + drawn[-half:]
        note = quiet(f"The {half} largest and the {half} smallest of {len(names):,} classes.")
    panels = (
        _page_charts.bars(
            f"{split.name}: {split.examples:,} pictures",
            [(names[label], split.label_counts[label]) for label in drawn],
            place,
        )
        for place, split in enumerate(manifest.splits.values())
    )
    rows: list[tuple[str | int, ...]] = []
    for label, name in enumerate(names):
        counts = [split.label_counts[label] for split in manifest.splits.values()]
        rows.append((label, name, *counts, sum(counts)))
    table = html.table(("label", "class", *manifest.splits, "all"), rows)
    whole = folded("As a table", table, is_open=len(names) <= _ROWS_OPEN)
    return section("classes", "Classes", note, html.tag("div", {"class": "panels"}, *panels), whole)


def measures(values: Mapping[str, Mapping[str, "array[float]"]], note: str) -> html.Html:
    """Histograms of each measure, a panel a split, all panels of a measure on one scale."""
    parts = []
    for name, (title, unit) in _MEASURES.items():
        splits = {split: np.asarray(found, float) for split, found in values.get(name, {}).items()}
        if not splits:
            continue
        edges = _page_charts.bin_edges(list(splits.values()))
        panels = (
            _page_charts.histogram(split, unit, found, edges, place)
            for place, (split, found) in enumerate(splits.items())
        )
        row = html.tag("div", {"class": "panels"}, *panels)
        parts.append(html.tag("div", {}, html.tag("h3", {}, title), row))
    blocks = html.tag("div", {"class": "measures"}, *parts)
    return section("sizes", "Sizes and light", quiet(note), blocks)


def samples(
    manifest: schema.Manifest, found: Mapping[tuple[str, int], Sequence[Shown]], asked: int
) -> html.Html:
    """Sample pictures of each class and split."""
    parts = []
    for split in manifest.splits.values():
        for label, name in enumerate(manifest.class_names):
            entries = found.get((split.name, label), ())
            if entries:
                title = f"{split.name}: {name}"
                parts.append(html.tag("h3", {}, title))
                parts.append(pictures(entries, with_class=False))
    cells = sum(count > 0 for s in manifest.splits.values() for count in s.label_counts)
    words = f"Up to {asked} of each class and split, drawn by a hash of the key and of --seed."
    if len(found) < cells:
        words += f" {cells - len(found):,} of {cells:,} classes and splits are left out for size."
    return section("samples", "Samples", quiet(words), *parts)


def extremes(found: Mapping[str, Sequence[Shown]]) -> html.Html:
    """The most extreme pictures of each kind."""
    parts = []
    for title, entries in found.items():
        parts.append(html.tag("div", {}, html.tag("h3", {}, title), pictures(entries)))
    pairs = html.tag("div", {"class": "pairs"}, *parts)
    return section("extremes", "Extremes", pairs)


def shown_groups(groups: Sequence[Group]) -> list[Group]:
    """The groups that the page shows, cut to the members that it shows."""
    return [
        Group(group.members[:_MEMBERS_SHOWN], group.conflict) for group in groups[:_GROUPS_SHOWN]
    ]


def duplicates(
    groups: Sequence[Group], found: Mapping[str, Shown], *, listed: bool, table: str
) -> html.Html:
    """The groups of copies, label conflicts first.

    Args:
      groups: all of them.
      found: the pictures of those shown, by key.
      listed: whether the data set says anything about copies at all.
      table: the file that lists all of them.
    """
    if not listed:
        return section("duplicates", "Copies", quiet("This data set does not list its pictures."))
    conflicts = sum(group.conflict for group in groups)
    across = sum(len(group.splits) > 1 for group in groups)
    copies = sum(len(group.members) for group in groups)
    words = f"Groups of copies: {len(groups):,}, with {copies:,} pictures; {conflicts:,} with more "
    words += f"than one label, {across:,} in more than one split."
    if not groups:
        words = "No copies were found."
    if table == "splits.csv":
        words += " Only pictures with equal bytes were compared."
    drawn = [_group(*pair, found) for pair in zip(groups, shown_groups(groups), strict=False)]
    parts = [html.tag("div", {"class": "groups"}, *drawn)] if drawn else []
    if len(groups) > len(drawn):
        parts.append(quiet(f"{len(groups) - len(drawn):,} more groups are in {table}."))
    return section("duplicates", "Copies and label conflicts", quiet(words), *parts)


def _group(whole: Group, cut: Group, found: Mapping[str, Shown]) -> html.Html:
    entries = []
    for member in cut.members:
        known = found.get(member.key)
        distance = f", distance {member.distance}" if member.distance else ""
        state = member.split or member.fate or "not stored"
        note = f"{member.kind}{distance}"
        jpeg = known.jpeg if known else b""
        entries.append(Shown(member.key, member.class_name, state, jpeg, note))
    words = []
    if whole.conflict:
        words.append(html.tag("strong", {"class": "bad"}, "Label conflict. "))
    if len(whole.splits) > 1:
        words.append(html.tag("strong", {"class": "bad"}, "Across splits. "))
    more = len(whole.members) - len(cut.members)
    rest = f", {more:,} of them not shown" if more else ""
    line = html.tag("p", {}, *words, f"{len(whole.members):,} pictures{rest}")
    kind = "group conflict" if whole.conflict else "group"
    return html.tag("div", {"class": kind}, line, pictures(entries))


def rejects(
    reasons: Counter[str], rows: list[tuple[str | int, ...]], seen: Sequence[Shown], note: str
) -> html.Html:
    """Why pictures were rejected.

    Args:
      reasons: with their counts.
      rows: key, reason and (where the original could be read) bytes of the first of them.
      seen: those that can still be decoded.
      note: is said to whoever gave no source.
    """
    total = reasons.total()
    if not total:
        return section("rejects", "Rejected", quiet("No picture was rejected."))
    counted: list[tuple[str | int, ...]] = [
        (count, reason) for reason, count in sorted(reasons.items(), key=lambda r: (-r[1], r[0]))
    ]
    parts = [html.table(("pictures", "reason"), counted[:_LISTED])]
    parts += [quiet(note)] if note else []
    parts += [pictures(seen, with_class=False)] if seen else []
    columns = ("key", "reason", "bytes")[: len(rows[0])] if rows else ("key",)
    table = html.table(columns, rows)
    parts.append(folded(f"The first {len(rows):,} by name", table, is_open=total <= _ROWS_OPEN))
    if total > len(rows):
        parts.append(quiet(f"{total - len(rows):,} more are in rejects.csv."))
    return section("rejects", "Rejected", *parts)


def excluded(counts: Counter[str], rows: list[tuple[str | int, ...]]) -> html.Html:
    """Pictures that another data set has already, and the first of them by name."""
    words = ", ".join(f"{count:,} are in {name}" for name, count in sorted(counts.items()))
    table = html.table(("key", "data set", "key there", "split there"), rows)
    parts = [quiet(f"Left out because another data set has them: {words}.")]
    parts.append(folded(f"The first {len(rows):,}", table, is_open=len(rows) <= _ROWS_OPEN))
    return section("excluded", "Excluded", *parts)
