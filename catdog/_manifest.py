"""What a data set says about itself: the manifest, read back and checked. Public in `schema`.

The manifest is written last, so a folder without one is no data set. Every number in it is an
integer that does not depend on the number of worker processes.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catdog.errors import InputError, IntegrityError, MismatchError, UsageError

SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"

_REBUILD = "rebuild it with python -m data_tools.build_tfrecords"


@dataclasses.dataclass(frozen=True)
class Sums:
    """Exact sums over RGB pixels in 0..255, taken before the JPEG encoding.

    Attributes:
      pixels: how many pixels.
      sum: their sum for each of the 3 channels.
      products: 3 × 3, the sum of channel i times channel j.
    """

    pixels: int
    sum: tuple[int, ...]
    products: tuple[tuple[int, ...], ...]

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            pixels=self.pixels + other.pixels,
            sum=tuple(a + b for a, b in zip(self.sum, other.sum, strict=True)),
            products=tuple(
                tuple(a + b for a, b in zip(row, other_row, strict=True))
                for row, other_row in zip(self.products, other.products, strict=True)
            ),
        )


NO_SUMS = Sums(pixels=0, sum=(0, 0, 0), products=((0, 0, 0), (0, 0, 0), (0, 0, 0)))


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Mean [3], standard deviation [3] and covariance [3][3] of the channels, in 0..255 units."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]


def statistics(sums: Sums) -> Statistics:
    """The population statistics of the pixels, rounded once at the end.

    Raises:
      IntegrityError: there are no pixels.
    """
    count = sums.pixels
    if count <= 0:
        raise IntegrityError(f"statistics need pixels, the split has {count}; {_REBUILD}")
    covariance = tuple(
        tuple(
            (count * sums.products[i][j] - sums.sum[i] * sums.sum[j]) / (count * count)
            for j in range(3)
        )
        for i in range(3)
    )
    return Statistics(
        mean=tuple(channel / count for channel in sums.sum),
        std=tuple(covariance[i][i] ** 0.5 for i in range(3)),
        covariance=covariance,
    )


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file: its name, record count, size, sha256 (hex) and pixel sums."""

    file: str
    examples: int
    bytes: int
    sha256: str
    sums: Sums


@dataclasses.dataclass(frozen=True)
class Split:
    """The shards of one split, in the order of their numbers, and its examples per label."""

    name: str
    shards: tuple[Shard, ...]
    label_counts: tuple[int, ...]

    @property
    def examples(self) -> int:
        """Records in all shards together."""
        return sum(shard.examples for shard in self.shards)

    @property
    def bytes(self) -> int:
        """Size of all shards together."""
        return sum(shard.bytes for shard in self.shards)


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A data set: class names, how its pictures were prepared, where they came from, its splits.

    Attributes:
      schema_version: version of the record format and of this file.
      class_names: the label is the index into it.
      preparation: image_size, resize, jpeg_quality, subsampling, max_pixels; decoder if not pillow.
      source: name (last part of the path only) and layout of the pictures' source.
      build: the settings that chose the pictures: splits, sample_size, seed.
      counts: kept, rejected, left_out, and passed_over by reason.
      libraries: versions that decide the bytes of the pictures.
      files: sha256 (hex) of each file beside the shards and the manifest.
      splits: by name, in the order they were asked for.
    """

    schema_version: int
    class_names: tuple[str, ...]
    preparation: dict[str, Any]
    source: dict[str, str]
    build: dict[str, Any]
    counts: dict[str, Any]
    libraries: dict[str, str]
    files: dict[str, str]
    splits: dict[str, Split]

    @property
    def image_size(self) -> int:
        """Height and width of the stored pictures."""
        return int(self.preparation["image_size"])

    @property
    def decoder(self) -> str:
        """What decoded and resized the pictures."""
        return str(self.preparation.get("decoder", "pillow"))

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of the class names and of every shard's content: equal for equal data."""
        content = [
            list(self.class_names),
            [
                [name, [shard.sha256 for shard in split.shards]]
                for name, split in sorted(self.splits.items())
            ],
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def split(self, name: str) -> Split:
        """The split of this name.

        Raises:
          UsageError: there is none; the message lists those there are.
        """
        if name not in self.splits:
            raise UsageError(
                f"the data set has no split {name!r}; choose from {', '.join(self.splits)}"
            )
        return self.splits[name]

    def statistics(self, name: str) -> Statistics:
        """The pixel statistics of the split of this name, exact for any number of shards."""
        total = NO_SUMS
        for shard in self.split(name).shards:
            total += shard.sums
        return statistics(total)


def manifest_text(manifest: Manifest) -> str:
    """The manifest as the text of its file; `read_manifest` gives an equal one back."""
    content = dataclasses.asdict(manifest)
    content["splits"] = [
        {"name": split.name, "examples": split.examples, "bytes": split.bytes}
        | dataclasses.asdict(split)
        for split in manifest.splits.values()
    ]
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def _sums(content: dict[str, Any]) -> Sums:
    return Sums(
        pixels=int(content["pixels"]),
        sum=tuple(map(int, content["sum"])),
        products=tuple(tuple(map(int, row)) for row in content["products"]),
    )


def shard_from(content: dict[str, Any]) -> Shard:
    """The shard of which `content` is what dataclasses.asdict makes, read back from JSON.

    Raises:
      ValueError, TypeError, KeyError: it is not.
    """
    return Shard(
        file=str(content["file"]),
        examples=int(content["examples"]),
        bytes=int(content["bytes"]),
        sha256=str(content["sha256"]),
        sums=_sums(content["sums"]),
    )


def _split(content: dict[str, Any]) -> Split:
    shards = tuple(map(shard_from, content["shards"]))
    split = Split(str(content["name"]), shards, tuple(map(int, content["label_counts"])))
    if split.examples != content["examples"] or split.bytes != content["bytes"]:
        raise ValueError(f"the shards of {split.name} do not add up to its totals")
    if any(Path(shard.file).name != shard.file for shard in shards):
        raise ValueError("a shard is outside the folder")
    return split


def _manifest(content: dict[str, Any]) -> Manifest:
    splits = [_split(split) for split in content["splits"]]
    int(content["preparation"]["image_size"])
    return Manifest(
        schema_version=int(content["schema_version"]),
        class_names=tuple(map(str, content["class_names"])),
        preparation=dict(content["preparation"]),
        source=dict(content["source"]),
        build=dict(content["build"]),
        counts=dict(content["counts"]),
        libraries=dict(content["libraries"]),
        files=dict(content["files"]),
        splits={split.name: split for split in splits},
    )


def read_manifest(data_dir: Path | str) -> Manifest:
    """The manifest of the data set in the folder `data_dir`.

    Raises:
      InputError: the folder has no manifest, so it holds no finished data set; if one in it has,
        the message names that.
      IntegrityError: the manifest cannot be understood.
      MismatchError: a newer version of catdog wrote it.
    """
    path = Path(data_dir) / MANIFEST_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        way = "run python -m data_tools.build_tfrecords first"
        for path in sorted(Path(data_dir).glob(f"[!.]*/{MANIFEST_FILE}"))[:1]:
            way = f"{path.parent} has one: give that"
        raise InputError(f"{data_dir} has no {MANIFEST_FILE}; {way}") from None
    except ValueError as error:
        raise IntegrityError(f"{path} is damaged ({error}); {_REBUILD}") from None
    try:
        content = json.loads(text)
        version = int(content["schema_version"])
        if version > SCHEMA_VERSION:
            raise MismatchError(
                f"{path} has format version {version}, this catdog reads up to "
                f"{SCHEMA_VERSION}; update catdog"
            )
        return _manifest(content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise IntegrityError(f"{path} is damaged ({said}); {_REBUILD}") from None


def check_files(data_dir: Path | str, split: Split) -> None:
    """Nothing, when every shard of the split is there with the size that the manifest states.

    Raises:
      IntegrityError: one is missing, cut or longer; the message names it.
    """
    for shard in split.shards:
        path = Path(data_dir) / shard.file
        size = path.stat().st_size if path.is_file() else None
        if size != shard.bytes:
            found = "is missing" if size is None else f"has {size} bytes"
            raise IntegrityError(
                f"{path} {found}, its manifest says {shard.bytes} bytes; "
                f"copy it again or {_REBUILD}"
            )


def read_checked(data_dir: Path | str, splits: Sequence[str]) -> Manifest:
    """The manifest, once every shard of the named splits is there with its size.

    Raises:
      InputError, IntegrityError, MismatchError, UsageError: as `read_manifest`, `Manifest.split`
        and `check_files` do.
    """
    manifest = read_manifest(data_dir)
    for name in splits:
        check_files(data_dir, manifest.split(name))
    return manifest
