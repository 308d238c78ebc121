"""Which copies of pictures a build finds, what it takes for copies that are none, and the time.

    python -m benchmarks.duplicates
    python -m benchmarks.duplicates --source=dogs-vs-cats-200px.zip

Copies of each kind are made of `--plants` pictures and put among all of them: how many end in the
group of their original, how far the farthest is, and in how many groups are different pictures that
no group held before. Then the time: a look at a picture as a share of a build, and the grouping of
so many pictures as `--sizes` says, each of them blended from two of the source.
"""

import contextlib
import dataclasses
import hashlib
import json
import random
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import _plants
from catdog import cli, flags
from catdog.errors import UsageError
from data_tools import _similar, _similar_groups, sample
from data_tools._prepare import Preparation
from data_tools._scan import Reading
from data_tools._similar_groups import Group
from data_tools.config import BuildConfig
from data_tools.sources import Item, Source, open_source
from data_tools.splits import Candidate

_TIMED = 500  # pictures that are prepared as a build does
_LIMITS = (0.03, 0.05, 0.1)
_ROWS = 512


@dataclasses.dataclass(frozen=True)
class DuplicatesConfig:
    """The flags of this benchmark."""

    source: str = flags.option("", "folder or zip of pictures; empty: the toy set is drawn")
    pictures: int = flags.option(2000, "take so many of them; 0 for all", lower=0)
    plants: int = flags.option(200, "pictures that copies are made of", lower=1)
    sizes: tuple[str, ...] = flags.option(("25000", "100000"), "numbers of pictures to group")
    seed: int = flags.option(0, "another seed takes other pictures")


@dataclasses.dataclass(frozen=True)
class Looked:
    """Pictures with what they look like."""

    candidates: list[Candidate]
    prints: _similar.Prints

    def groups(self) -> tuple[Group, ...]:
        """The copies among them."""
        return _similar_groups.find(self.candidates, self.prints)

    def plus(self, other: "Looked") -> "Looked":
        """Both together."""
        prints = _similar.Prints(
            np.concatenate([self.prints.luma, other.prints.luma]),
            np.concatenate([self.prints.chroma, other.prints.chroma]),
            np.concatenate([self.prints.pixels, other.prints.pixels]),
        )
        return Looked(self.candidates + other.candidates, prints)


_PREPARATION = Preparation.of(BuildConfig(source="", output_dir=""), ("cat", "dog"))


def _look(data: bytes) -> _similar.Look:
    return _similar.look(_PREPARATION.square(data, small=_similar.SIDE))


def _looked(named: Sequence[tuple[str, bytes]]) -> Looked:
    return Looked(
        [Candidate(key, 0, hashlib.sha256(data).hexdigest()) for key, data in named],
        _similar.prints([_look(data) for _, data in named]),
    )


def _timed(source: Source, items: Sequence[Item]) -> dict[str, float]:
    """Milliseconds of processor time a picture: to look at it, and to do all the rest."""
    spent = {True: 0.0, False: 0.0}
    looks = []
    with tempfile.TemporaryDirectory() as records:
        for item in items:
            for looking in spent:  # in turn, so that whatever else goes on slows both alike
                start = time.process_time()
                found = Reading(_PREPARATION, looks=looking, records=records)(source, item)
                spent[looking] += time.process_time() - start
                looks += [found.look] if found.look else []
    start = time.process_time()
    _similar.prints(looks)
    look = spent[True] - spent[False] + time.process_time() - start
    return {
        "look_ms": round(1000 * look / len(items), 3),
        "rest_ms": round(1000 * spent[False] / len(items), 3),
        "percent_of_build": round(100 * look / (look + spent[False]), 1),
    }


def _together(groups: Sequence[Group]) -> dict[str, int]:
    """The number of the group of each key that is in one."""
    return {m.picture.key: number for number, group in enumerate(groups) for m in group.members}


def false_groups(groups: Sequence[Group], before: Sequence[Group]) -> int:
    """Groups in which two originals meet, themselves or by copies, that no group held before."""
    was = _together(before)
    count = 0
    for group in groups:
        originals = {member.picture.key.rpartition("\n")[2] for member in group.members}
        count += len({was.get(key, key) for key in originals}) > 1
    return count


def _recall(
    base: Looked, originals: Sequence[tuple[str, bytes]], *, groups: Sequence[Group]
) -> dict[str, dict[str, Any]]:
    """For each kind of copy how many are found, how far off they are, and the false groups."""
    place = {candidate.key: number for number, candidate in enumerate(base.candidates)}
    rows = np.array([place[key] for key, _ in originals])
    table: dict[str, dict[str, Any]] = {}
    for kind, copy in (_plants.FOUND | _plants.OTHERS).items():
        planted = [(f"{kind}\n{key}", _plants.planted(data, copy)) for key, data in originals]
        mixed = base.plus(_looked(planted))
        found = mixed.groups()
        which = _together(found)
        hits = sum(
            which.get(name, -1) == which.get(key, -2)
            for (name, _), (key, _) in zip(planted, originals, strict=True)
        )
        apart, _ = _similar.distances(
            mixed.prints, rows, len(base.candidates) + np.arange(len(planted))
        )
        table[kind] = {
            "found": hits,
            "of": len(planted),
            "farthest": round(float(apart.max()), 4),
            "false_groups": false_groups(found, groups),
        }
        cli.say(f"{kind}: " + ", ".join(f"{name} {value}" for name, value in table[kind].items()))
    return table


def _blended(prints: _similar.Prints, count: int, seed: int) -> Looked:
    """So many pictures, each a blend of two, no two alike."""
    rng = np.random.default_rng(seed)
    made = _similar.blank(count)
    have = len(prints.pixels)
    for start in range(0, count, have):
        size = min(have, count - start)
        one, other = rng.permutation(have)[:size], rng.permutation(have)[:size]
        weight = rng.uniform(0.35, 0.65, (size, 1, 1))
        luma = weight * prints.luma[one] + (1 - weight) * prints.luma[other]
        places = list(range(start, start + size))
        blend = _similar.Prints(luma.astype(np.uint8), prints.chroma[one], prints.pixels[one])
        made.put(places, blend)
    digests = (hashlib.sha256(b"%d" % number).hexdigest() for number in range(count))
    keys = [Candidate(f"{number}.jpg", 0, digest) for number, digest in enumerate(digests)]
    return Looked(keys, made)


def _still(prints: _similar.Prints, count: int, seed: int) -> Looked:
    """So many pictures of a camera that does not move: the worst case, all are copies."""
    rng = np.random.default_rng(seed)
    looked = _blended(prints, count, seed)
    noise = rng.integers(-3, 4, looked.prints.luma.shape, np.int16)
    looked.prints.luma[:] = np.clip(prints.luma[0] + noise, 0, 255)
    looked.prints.chroma[:] = prints.chroma[0]
    return looked


def _grouped(looked: Looked) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    groups = looked.groups()
    return {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "groups": len(groups),
    }


def _slopes(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[n, 480] of length 1: a product of two is the correlation that builds go by."""
    levels = luma.astype(np.float32)
    steps = [np.diff(levels, axis=axis).reshape(len(luma), -1) for axis in (2, 1)]
    found = np.concatenate([step - step.mean(1, keepdims=True) for step in steps], axis=1)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(length, 1e-6), np.float32)


def _others_nearer(looked: Looked, groups: Sequence[Group]) -> dict[str, Any]:
    """The least distance of two pictures that share no group, and how many are below some limits.

    Colours are left out of it: an index that looks at everything, by a product of all with all.
    """
    which = _together(groups)
    detail = _similar.has_detail(looked.prints.luma)
    names = np.array([which.get(c.key, -1 - n) for n, c in enumerate(looked.candidates)])[detail]
    luma = looked.prints.luma[detail]
    upright, mirrored = _slopes(luma), _slopes(luma[:, :, ::-1])
    least, below = 2.0, dict.fromkeys(_LIMITS, 0)
    for start in range(0, len(luma), _ROWS):
        rows = slice(start, start + _ROWS)
        likeness = np.maximum(upright[rows] @ upright.T, upright[rows] @ mirrored.T)
        others = names[rows, None] != names
        others &= np.arange(len(luma)) > np.arange(start, start + len(likeness))[:, None]
        apart = 1 - likeness[others]
        least = min(least, float(apart.min(initial=2.0)))
        for limit in _LIMITS:
            below[limit] += int(np.count_nonzero(apart <= limit))
    return {"least": round(least, 4), **{f"below_{limit}": n for limit, n in below.items()}}


def _digits() -> dict[str, Any]:
    """scikit-learn's 1797 handwritten digits: much alike, and no two the same."""
    from sklearn.datasets import load_digits

    drawn = (load_digits().images * 15.9).astype(np.uint8)
    images = (Image.fromarray(digit).resize((64, 64), Image.Resampling.BICUBIC) for digit in drawn)
    looked = _looked([(str(n), _plants.encoded(image, "PNG")) for n, image in enumerate(images)])
    groups = looked.groups()
    together = sum(len(group.members) for group in groups)
    return {"pictures": len(drawn), "taken_for_copies": together - len(groups)}


def _taken(config: DuplicatesConfig, source: Source) -> tuple[Looked, list[Item]]:
    """The pictures of the source that can be used, or as many of them as are asked for."""
    items = list(source.scan().items)
    if 0 < config.pictures < len(items):
        items = random.Random(config.seed).sample(items, config.pictures)
    reading = Reading(_PREPARATION)
    found = [(item, reading(source, item)) for item in items]
    seen = [(item, each.sha256, each.look) for item, each in found if each.look is not None]
    candidates = [Candidate(item.key, 0, sha256) for item, sha256, _ in seen]
    prints = _similar.prints([look for _, _, look in seen])
    return Looked(candidates, prints), [item for item, _, _ in seen]


def _measured(config: DuplicatesConfig, source: Source) -> dict[str, Any]:
    base, pictures = _taken(config, source)
    groups = base.groups()
    cli.say(f"{len(pictures)} pictures, {len(groups)} groups of copies among them")
    plants = random.Random(config.seed).sample(pictures, min(config.plants, len(pictures)))
    originals = [(item.key, source.read(item.locator)) for item in plants]
    result = {
        "pictures": len(pictures),
        "groups": len(groups),
        "others": _others_nearer(base, groups),
        "digits": _digits(),
        **_timed(source, pictures[:_TIMED]),
    }
    cli.say(json.dumps(result))
    result["copies"] = _recall(base, originals, groups=groups)
    for name, made in (("blended", _blended), ("still", _still)):
        result[name] = {n: _grouped(made(base.prints, int(n), config.seed)) for n in config.sizes}
        cli.say(f"{name}: {json.dumps(result[name])}")
    return result


def main(config: DuplicatesConfig) -> dict[str, Any]:
    """What is found of each kind of copy, what is taken for one, and the seconds.

    Raises:
      UsageError: --sizes are no numbers.
      InputError: the source cannot be read.
    """
    if wrong := [size for size in config.sizes if not (size.isdecimal() and int(size))]:
        raise UsageError(f"--sizes are numbers above 0, received {wrong[0]!r}")
    with contextlib.ExitStack() as stack:
        path = config.source
        if not path:
            path = stack.enter_context(tempfile.TemporaryDirectory())
            count = max(config.pictures, 2)
            sample.main(sample.Config(output_dir=path, pictures=count, broken=0, seed=config.seed))
        source = stack.enter_context(contextlib.closing(open_source(path)))
        return _measured(config, source)


if __name__ == "__main__":
    cli.run_main(main, DuplicatesConfig)
