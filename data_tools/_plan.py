"""Between the passes of a build: which picture goes into which shard, before any is written."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from catdog import schema
from catdog.errors import InputError, UsageError
from data_tools import _exclusion, _prepare, _similar, _similar_groups, _similar_report, splits
from data_tools._found import NO_MEMORY, Memory, Picture, Pictures, Reject
from data_tools._scan import Reading, scanned
from data_tools._workers import Workers
from data_tools.config import BuildConfig
from data_tools.sources import Item, Listing

# Shards of about 64 MB; at least 8 of them from some 2,000 pictures on, so that as many
# processes can write and read at a time, and about 256 pictures or more in each of those.
_SHARD_BYTES = 64_000_000
_FEW_SHARDS = 8
_SHARD_PICTURES = 256

Labelled = TypeVar("Labelled", Item, Picture)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a build will do.

    Attributes:
      class_names: by label.
      shards: for each split the pictures of each of its shards, in the order of the records.
      rejects: pictures that cannot be used, by key.
      left_out: how many pictures neither the sample nor a split's count took.
      passed_over: how many files are no labelled picture, by reason.
      usable: how many pictures were read and not rejected.
      excluded: pictures that another data set has, by key.
      excluded_by: the fingerprints of the data sets that were asked.
      duplicates: pictures that are copies of each other.
    """

    class_names: tuple[str, ...]
    shards: dict[str, tuple[tuple[Picture, ...], ...]]
    rejects: tuple[Reject, ...]
    left_out: int
    passed_over: dict[str, int]
    usable: int
    excluded: tuple[_exclusion.Excluded, ...]
    excluded_by: tuple[str, ...]
    duplicates: tuple[_similar_groups.Group, ...]

    def label_counts(self, split: str) -> tuple[int, ...]:
        """How many pictures of each label the split has."""
        labels = Counter(picture.label for shard in self.shards[split] for picture in shard)
        return tuple(labels[label] for label in range(len(self.class_names)))

    @property
    def pictures(self) -> int:
        """Pictures of all splits together."""
        return sum(len(shard) for shards in self.shards.values() for shard in shards)


def _key_hash(purpose: str, key: str) -> bytes:
    return hashlib.sha256(purpose.encode() + schema.key_bytes(key)).digest()


def _sharded(pictures: Iterable[Picture], count: int) -> tuple[tuple[Picture, ...], ...]:
    """The pictures of each of `count` shards: a picture's key alone decides its shard and rank."""
    shards: list[list[Picture]] = [[] for _ in range(count)]
    for picture in pictures:
        shard = int.from_bytes(_key_hash("shard:", picture.key)[:8], "big") % count
        shards[shard].append(picture)
    return tuple(
        tuple(sorted(shard, key=lambda picture: _key_hash("order:", picture.key)))
        for shard in shards
    )


def _auto_shards(pictures: Sequence[Picture], image_size: int) -> tuple[tuple[Picture, ...], ...]:
    size = _prepare.estimated_bytes(len(pictures), image_size)
    count = max(1, -(-size // _SHARD_BYTES), min(_FEW_SHARDS, len(pictures) // _SHARD_PICTURES))
    shards = _sharded(pictures, count)
    while not all(shards):
        count -= 1
        shards = _sharded(pictures, count)
    return shards


def shard_counts(entries: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """The number of shards of each split that --num_shards asks for; 0 stands for auto.

    Raises:
      UsageError: it is no number from 1 to 99,999, or not one for every split.
    """
    whole = len(entries) == 1 and "=" not in entries[0]
    pairs = [(name, entries[0]) for name in names] if whole else [
        (entry.partition("=")[0], entry.partition("=")[2]) for entry in entries
    ]  # fmt: skip
    counts = {}
    for name, text in pairs:
        if text != "auto" and not (text.isdecimal() and 1 <= int(text) <= 99_999):
            raise UsageError(
                f"--num_shards is auto, a number from 1 to 99999, or NAME=NUMBER for every split; "
                f"received {','.join(entries)!r}"
            )
        counts[name] = 0 if text == "auto" else int(text)
    if len(pairs) != len(names) or set(counts) != set(names):
        raise UsageError(
            f"--num_shards must name each split once ({', '.join(names)}), "
            f"received {','.join(entries)!r}"
        )
    return counts


def _shards(
    pictures: Sequence[Picture], found: dict[str, str], config: BuildConfig
) -> dict[str, tuple[tuple[Picture, ...], ...]]:
    names = [wish.name for wish in splits.parse(config.splits)]
    counts = shard_counts(config.num_shards, names)
    shards = {}
    for name in names:
        mine = [picture for picture in pictures if found.get(picture.key) == name]
        if counts[name]:
            shards[name] = _sharded(mine, counts[name])
        else:
            shards[name] = _auto_shards(mine, config.image_size)
        if not all(shards[name]):
            raise UsageError(
                f"--num_shards={counts[name]} leaves a shard of the split {name!r} empty: its "
                f"{len(mine)} pictures are too few; ask for fewer shards, or auto"
            )
    return shards


def _sample(
    pictures: Sequence[Labelled], config: BuildConfig, class_names: tuple[str, ...]
) -> list[Labelled]:
    if not config.sample_size:
        return list(pictures)
    return splits.sample(
        pictures,
        size=config.sample_size,
        seed=config.seed,
        class_names=class_names,
        label_of=lambda picture: picture.label,
        key_of=lambda picture: picture.key,
    )


def _sampled_first(config: BuildConfig, others: _exclusion.Others) -> bool:
    """Whether the sample is drawn before a picture is read, and the others are not."""
    return not others.fingerprints and config.duplicates != _similar_report.DROP


def stores_most(listing: Listing, config: BuildConfig, others: _exclusion.Others) -> bool:
    """Whether most of the pictures that are read will be stored, for all that is known."""
    if others.fingerprints:
        return False
    read = len(listing.items)
    if config.sample_size and _sampled_first(config, others):
        read = min(read, config.sample_size)
    counts = [wish.share for wish in splits.parse(config.splits) if isinstance(wish.share, int)]
    limits = [limit for limit in (sum(counts), config.sample_size) if limit]
    return 2 * min([read, *limits]) >= read


def _check_early(items: Sequence[Item], listing: Listing, config: BuildConfig) -> None:
    """Nothing, unless more is asked for than there is, whatever will be found in the pictures.

    Raises:
      UsageError, InputError: it is.
    """
    wishes = splits.parse(config.splits)
    _sample(listing.items, config, listing.class_names)
    splits.check_counts(wishes, len(items))
    for name, count in shard_counts(config.num_shards, [wish.name for wish in wishes]).items():
        if count > len(items):
            raise UsageError(
                f"--num_shards={count} leaves a shard of the split {name!r} empty: there are "
                f"{len(items)} pictures in all; ask for fewer shards, or auto"
            )


def _read(
    items: Sequence[Item], listing: Listing, config: BuildConfig, workers: Workers, memory: Memory
) -> tuple[Pictures, tuple[Reject, ...], _similar.Prints | None]:
    """What `scanned` finds in the items.

    Raises:
      InputError: too many are rejected, or every one of a class.
    """
    reading = Reading(
        _prepare.Preparation.of(config, listing.class_names),
        looks=config.duplicates != _similar_report.ALLOW,
        records=memory.records,
    )
    found = scanned(items, workers, memory, reading, max_rejects=config.max_rejects)
    pictures, rejects, _ = found
    left = pictures.labels()
    reasons = {reject.key: reject.reason for reject in rejects}
    for item in items:
        if item.key in reasons and item.label not in left:
            raise InputError(
                f"every picture of the class {listing.class_names[item.label]!r} is rejected, "
                f"{item.key!r} for instance: {reasons[item.key]}"
            )
    return found


def plan(
    listing: Listing,
    config: BuildConfig,
    workers: Workers,
    others: _exclusion.Others = _exclusion.NO_OTHERS,
    memory: Memory = NO_MEMORY,
) -> Plan:
    """The plan for the pictures of `listing` that `others` do not have.

    Each is read and decoded once, or it is remembered; its record goes to a memory that keeps them.
    Where other data sets or --duplicates=drop take some away, all are read, and the sample is drawn
    from those that are left, so that it is as large as asked for.

    Raises:
      UsageError, InputError: the pictures are too few for what is asked, or too many are rejected.
    """
    wishes = splits.parse(config.splits)
    items: Sequence[Item] = listing.items
    drop = config.duplicates == _similar_report.DROP
    sample_first = _sampled_first(config, others)
    if sample_first:
        items = _sample(items, config, listing.class_names)
    _check_early(items, listing, config)
    pictures, rejects, prints = _read(items, listing, config, workers, memory)
    candidates, excluded = _exclusion.without_twins(pictures, others, listing.class_names)
    if excluded and prints is not None:
        left = [i for i, picture in enumerate(pictures) if picture.sha256 not in others.twins]
        prints = prints.take(left)
    duplicates = _similar_groups.find(candidates, prints)
    del prints  # a third of all that is in memory here
    kept = _similar_report.settled(candidates, duplicates, listing.class_names, drop=drop)
    dropped = len(pictures) - len(excluded) - len(kept)
    if not sample_first:
        kept = _sample(kept, config, listing.class_names)
    found = splits.assign(kept, wishes, seed=config.seed)
    return Plan(
        class_names=listing.class_names,
        shards=_shards(kept, found, config),
        rejects=rejects,
        left_out=len(listing.items) - len(rejects) - len(excluded) - dropped - len(found),
        passed_over=listing.passed_over,
        usable=len(pictures),
        excluded=excluded,
        excluded_by=others.fingerprints,
        duplicates=duplicates,
    )
