"""What the files of a data set say of each other: manifest, shards, tables."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from catdog import inspection, schema
from catdog.inspection import Found, Problem
from catdog.shards import Place

MANIFEST = Place(schema.MANIFEST_FILE)

# Sums are taken before the JPEG encoding. From quality 50 on a block's mean is off by 3 levels at
# the most (quantisers of 16 and 17 for the means of 8 × 8 pixels), and a shard's by far less.
_LEAST_QUALITY = 50
_MOST_DIFFERENCE = 4.0


def _of_split(split: schema.Split, manifest: schema.Manifest) -> Iterator[str]:
    total, size = len(split.shards), manifest.image_size**2
    for index, shard in enumerate(split.shards):
        if shard.file != schema.shard_name(split.name, index, total):
            yield f"its shard {index} of {split.name} is called {shard.file!r}"
        if shard.sums.pixels != shard.examples * size:
            yield f"the pixel sums of {shard.file} are not those of {shard.examples} pictures"
    if len(split.label_counts) != len(manifest.class_names):
        yield f"the split {split.name} counts {len(split.label_counts)} labels"
    if sum(split.label_counts) != split.examples:
        yield f"the label counts of {split.name} add up to {sum(split.label_counts)}"


def of_manifest(manifest: schema.Manifest) -> Iterator[Problem]:
    """Where the manifest contradicts itself."""
    for split in manifest.splits.values():
        for reason in _of_split(split, manifest):
            yield Problem(MANIFEST, reason)
    total = sum(split.examples for split in manifest.splits.values())
    if manifest.counts.get("kept", total) != total:
        yield Problem(MANIFEST, f"it has kept {manifest.counts['kept']}, its splits hold {total}")


def of_sizes(data_dir: Path, manifest: schema.Manifest) -> Iterator[Problem]:
    """Shards that are missing or of another size, and files that look like shards and are none."""
    known = set()
    for split in manifest.splits.values():
        for shard in split.shards:
            known.add(shard.file)
            path = data_dir / shard.file
            size = path.stat().st_size if path.is_file() else None
            if size is None:
                yield Problem(Place(shard.file), "the file is missing")
            elif size != shard.bytes:
                reason = f"the file has {size} bytes, {shard.bytes} are due"
                yield Problem(Place(shard.file), reason)
    for path in sorted(data_dir.glob(f"{schema.NAME}-*.tfrecord-*")):
        if path.name not in known:
            yield Problem(Place(path.name), "the manifest knows no such shard; remove it")


def of_tables(data_dir: Path, manifest: schema.Manifest, *, hashes: bool) -> Iterator[Problem]:
    """Files beside the shards that are missing or, with `hashes`, not those of the manifest."""
    for name, sha256 in sorted(manifest.files.items()):
        path = data_dir / name
        if not path.is_file():
            yield Problem(Place(name), "the file is missing")
        elif hashes:
            try:
                found = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                yield Problem(Place(name), f"the file cannot be read: {inspection.in_words(error)}")
                continue
            if found != sha256:
                yield Problem(Place(name), "its sha256 is not the one in the manifest")


def _shard_of(key: str, shards: int) -> int:
    """The shard that a picture belongs to, as docs/data_format.md defines it."""
    digest = hashlib.sha256(b"shard:" + schema.key_bytes(key)).digest()
    return int.from_bytes(digest[:8], "big") % shards


def _of_keys(split: schema.Split, found: Mapping[str, Found]) -> Iterator[Problem]:
    for index, shard in enumerate(split.shards):
        for entry in found[shard.file].entries:
            due = _shard_of(entry.place.key, len(split.shards))
            if due != index:
                yield Problem(entry.place, f"its key belongs into shard {due}")


def _of_pixels(shard: schema.Shard, found: Found) -> Iterator[Problem]:
    if not shard.sums.pixels:
        return
    for channel, name in enumerate(("red", "green", "blue")):
        there = found.channel_sums[channel] / shard.sums.pixels
        said = shard.sums.sum[channel] / shard.sums.pixels
        if abs(there - said) > _MOST_DIFFERENCE:
            reason = f"the mean of {name} is {there:.1f}, the manifest has {said:.1f}"
            yield Problem(Place(shard.file), reason)


def _of_labels(split: schema.Split, found: Mapping[str, Found]) -> Iterator[Problem]:
    labels = Counter(entry.label for shard in split.shards for entry in found[shard.file].entries)
    counts = tuple(labels[label] for label in range(len(split.label_counts)))
    if counts != split.label_counts:
        reason = f"{split.name} has {list(counts)} pictures by label, it says "
        yield Problem(MANIFEST, f"{reason}{list(split.label_counts)}")


def across(manifest: schema.Manifest, found: Mapping[str, Found]) -> Iterator[Problem]:
    """What no shard shows alone: keys in two shards, label counts, pixel sums.

    Sums and counts are compared where the shards themselves are sound.
    """
    first: dict[str, Place] = {}
    exact = int(manifest.preparation.get("jpeg_quality", 0)) >= _LEAST_QUALITY
    for split in manifest.splits.values():
        for shard in split.shards:
            for entry in found[shard.file].entries:
                before = first.setdefault(entry.place.key, entry.place)
                if before.file != shard.file:
                    yield Problem(entry.place, f"its key is in {before.file} too")
            if exact and not found[shard.file].problems:
                yield from _of_pixels(shard, found[shard.file])
        if not any(found[shard.file].problems for shard in split.shards):
            yield from _of_labels(split, found)
            if manifest.files:  # else not our build, which alone promises the place of a key
                yield from _of_keys(split, found)
