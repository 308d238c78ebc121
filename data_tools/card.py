"""Writes the data card of a data set: a README for people, with a header for machines.

python -m data_tools.card --data_dir=data/catdog --licence=cdla-permissive-2.0

DATA_CARD.md has the form that the Hugging Face Hub reads: YAML between two lines of ---, then
Markdown. A build writes it, too. It is no part of what the manifest checks, so add to it what only
people know; a build that mends the data set leaves it as it is.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from catdog import cli, files, html, schema
from catdog.errors import UsageError
from data_tools import _settings, _tables
from data_tools.config import BuildConfig, CardConfig

CARD_FILE = "DATA_CARD.md"

# The Hub's words for sizes: below 1,000 pictures the first, and so on.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_LARGEST = "n>10M"
_ROWS = 50
# Marks of (GitHub's) Markdown that mean something inside of a line; a name may have _ and . in it.
_MARKS = re.compile(r"[\\`*\[\]|<>&~$]|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\.", re.IGNORECASE)


def markdown(text: str) -> str:
    """The text for a line of Markdown: nothing in it is a mark, a tag or a link."""
    return _MARKS.sub(r"\\\g<0>", html.visible(text))


def _quoted(value: str) -> str:
    """The text as a YAML scalar: every JSON string is one."""
    return json.dumps(value, ensure_ascii=True)


def _licence(card: str) -> str:
    """The licence that a card's header names; "" for none."""
    found = re.search(r'^license: (".*")$', card, flags=re.MULTILINE)
    try:
        return str(json.loads(found[1])) if found else ""
    except ValueError:
        return ""


def _header(manifest: schema.Manifest, licence: str) -> Iterator[str]:
    pictures = sum(split.examples for split in manifest.splits.values())
    size = next((name for limit, name in _SIZES if pictures < limit), _LARGEST)
    yield "---"
    yield f"pretty_name: {_quoted(str(manifest.source.get('name', 'data set')))}"
    yield f"license: {_quoted(licence)}"
    yield "task_categories:"
    yield "- image-classification"
    yield "size_categories:"
    yield f"- {_quoted(size)}"
    yield "dataset_info:"
    yield "  features:"
    yield "  - name: image"
    yield "    dtype: image"
    yield "  - name: label"
    yield "    dtype:"
    yield "      class_label:"
    yield "        names:"
    for label, name in enumerate(manifest.class_names):
        yield f"          '{label}': {_quoted(name)}"
    yield "  splits:"
    for split in manifest.splits.values():
        yield f"  - name: {_quoted(split.name)}"
        yield f"    num_bytes: {split.bytes}"
        yield f"    num_examples: {split.examples}"
    yield "---"


def _table(header: Sequence[str], rows: Sequence[Sequence[str | int]]) -> Iterator[str]:
    """A table; numbers stand to the right."""
    first = rows[0] if rows else header
    yield "| " + " | ".join(markdown(name) for name in header) + " |"
    yield "|" + "|".join("---:" if isinstance(cell, int) else "---" for cell in first) + "|"
    for row in rows[:_ROWS]:
        cells = (f"{c:,}" if isinstance(c, int) else markdown(c) for c in row)
        yield "| " + " | ".join(cells) + " |"
    if len(rows) > _ROWS:
        yield ""
        yield f"{len(rows) - _ROWS:,} more are in the tables beside this file."
    yield ""


def _counts(counts: Mapping[str, int], what: str) -> Iterator[str]:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    yield from _table((what, "pictures"), ordered)


def _contents(manifest: schema.Manifest) -> Iterator[str]:
    splits = list(manifest.splits.values())
    rows: list[list[str | int]] = []
    for label, name in enumerate(manifest.class_names):
        counts = [split.label_counts[label] for split in splits]
        rows.append([name, *counts, sum(counts)])
    everything = [split.examples for split in splits]
    rows.append(["all", *everything, sum(everything)])
    yield "## What is in it"
    yield ""
    size = manifest.image_size
    yield f"JPEG pictures of {size} × {size} pixels, one label each, in TFRecord files."
    yield ""
    yield from _table(("class", *manifest.splits, "all"), rows)


def _absent(manifest: schema.Manifest, rejects: Counter[str]) -> Iterator[str]:
    counts = manifest.counts
    yield "## What is not in it"
    yield ""
    yield f"Rejected pictures: {rejects.total():,}."
    yield ""
    if rejects:
        yield from _counts(rejects, "reason")
    passed_over = counts.get("passed_over") or {}
    if passed_over:
        yield "Files that were passed over:"
        yield ""
        yield from _counts(passed_over, "reason")
    for name, words in (
        ("excluded", "Pictures that another data set has already"),
        ("left_out", "Pictures that neither the sample nor a split took"),
    ):
        if counts.get(name):
            yield f"{words}: {counts[name]:,}."
            yield ""


def card_text(
    manifest: schema.Manifest,
    *,
    rejects: Counter[str],
    groups: Sequence[_tables.Group] | None,
    licence: str,
) -> str:
    """The card, equal for equal arguments.

    Args:
      manifest: of the data set.
      rejects: how many pictures were rejected, by reason.
      groups: copies; None when nothing is known of them.
      licence: of the pictures.
    """
    name = markdown(str(manifest.source.get("name", "A data set")))
    lines = [*_header(manifest, licence), "", f"# {name}", ""]
    lines += [f"Licence of the pictures: {markdown(licence)}.", ""]
    layout = markdown(str(manifest.source.get("layout", "unknown")))
    lines += [f"Source: {name}, read as the layout {layout}.", ""]
    lines += [*_contents(manifest), *_absent(manifest, rejects)]
    if groups is not None:
        conflicts = sum(group.conflict for group in groups)
        across = sum(len(group.splits) > 1 for group in groups)
        lines += ["## Copies", "", f"Groups of copies: {len(groups):,}, "]
        lines[-1] += f"{conflicts:,} of them with more than one label, {across:,} in more than one "
        lines[-1] += "split."
        lines += [""]
    lines += ["## How it was made", ""]
    lines += _table(("setting", "value"), list(_settings.settings(manifest).items()))
    lines += ["The same source and this command give the same bytes:", ""]
    command = _settings.rebuild_command(manifest)
    lines += [f"    {html.visible(line)}" for line in command.split("\n")]
    lines += ["", f"Fingerprint of the records: {manifest.fingerprint}", ""]
    return "\n".join(lines)


def write_card(
    data_dir: Path, manifest: schema.Manifest, licence: str, *, settled: bool = True
) -> None:
    """Writes the card of a data set whose tables are in the folder already.

    Args:
      settled: as for `files.whole_file`.

    Raises:
      OSError: the disk refused.
    """
    files.write_whole(data_dir / CARD_FILE, _card(data_dir, manifest, licence), settled=settled)


def read_card(data_dir: Path, licence: str) -> str:
    """The card of the built data set in the folder.

    Raises:
      InputError, IntegrityError, MismatchError: it holds none, or its files are damaged.
    """
    return _card(data_dir, schema.read_manifest(data_dir), licence)


def _card(data_dir: Path, manifest: schema.Manifest, licence: str) -> str:
    known = any((data_dir / name).is_file() for name in (_tables.DUPLICATES, _tables.SPLITS))
    return card_text(
        manifest,
        rejects=_tables.reason_counts(
            row.get("reason", "") for row in _tables.rows(data_dir, _tables.REJECTS)
        ),
        groups=_tables.duplicate_groups(data_dir, manifest.class_names) if known else None,
        licence=licence,
    )


def main(config: CardConfig) -> dict[str, Any]:
    """Where the card is.

    Raises:
      UsageError, InputError: --data_dir is no folder, or holds no data set; the output file has
        something of its own, and no --overwrite allows to lose it.
      IntegrityError: the manifest or a table is damaged.
      OSError: the disk refused; the output file is as it was before.
    """
    folder = cli.existing_folder(config.data_dir, "data_dir")
    output = Path(config.output_file or Path(config.data_dir, CARD_FILE))
    there = output.read_bytes().decode(errors="replace") if output.is_file() else ""
    said = _licence(there) or BuildConfig.licence
    if there and not config.overwrite and there != read_card(folder, said):
        raise UsageError(
            f"{output} is no card as it was written: people may have added to it; name another "
            "--output_file, or give --overwrite"
        )
    licence = config.licence or said
    files.write_whole(output, read_card(folder, licence))
    return {"licence": licence, "output_file": str(output)}


def run() -> None:
    """Runs the command."""
    cli.run_main(main, CardConfig)


if __name__ == "__main__":
    run()
