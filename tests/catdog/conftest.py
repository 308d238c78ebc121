"""A tiny data set of any size, written in moments and without TensorFlow."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog import schema

SIDE = 256
CLASSES = ("cat", "dog")

TinyData = Callable[..., Path]


def _picture(label: int, rng: np.random.Generator) -> Image.Image:
    """Smooth noise whose left half is brighter on a cat, whose right half is on a dog."""
    coarse = rng.integers(0, 130, (32, 32, 3), dtype=np.uint8)
    coarse[:, 16 * label : 16 * label + 16] += 100
    return Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _sums(picture: Image.Image) -> schema.Sums:
    pixels = np.asarray(picture).reshape(-1, 3).astype(np.int64)
    return schema.Sums(
        pixels=len(pixels),
        sum=tuple(pixels.sum(0).tolist()),
        products=tuple(map(tuple, (pixels.T @ pixels).tolist())),
    )


def _record(label: int, key: str, picture: Image.Image) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=95, subsampling="4:2:0")
    example = schema.Example(
        encoded=encoded.getvalue(),
        height=SIDE,
        width=SIDE,
        label=label,
        text=CLASSES[label],
        filename=key,
        sha256=hashlib.sha256(encoded.getvalue()).hexdigest(),
    )
    return schema.frame(schema.serialize(example))


def _split(folder: Path, name: str, count: int, shards: int) -> schema.Split:
    rng = np.random.default_rng([count, *name.encode()])
    labels = rng.permutation(np.arange(count) % len(CLASSES))
    # Shards of unequal sizes: a place in a batch must never be told from a place in a shard.
    cuts = np.sort(rng.choice(np.arange(1, count), shards - 1, replace=False)) if shards > 1 else []
    described = []
    for index, numbers in enumerate(np.split(np.arange(count), cuts)):
        content, sums = b"", schema.NO_SUMS
        for number in numbers.tolist():
            picture = _picture(int(labels[number]), rng)
            sums += _sums(picture)
            content += _record(int(labels[number]), f"{name}/{number}.jpg", picture)
        file = schema.shard_name(name, index, shards)
        (folder / file).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        described.append(schema.Shard(file, len(numbers), len(content), sha256, sums))
    counts = tuple(np.bincount(labels, minlength=len(CLASSES)).tolist())
    return schema.Split(name, tuple(described), counts)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    """`tiny_data({"train": 65, "validation": 7}, shards=3)`: the folder of such a data set.

    Two classes, which a small network tells apart in a few steps; each split has the given number
    of pictures in `shards` shards of unequal sizes (fewer when it has fewer pictures). Example
    number i of split s has the key "s/i.jpg". The same arguments give the same folder: copy it
    before changing it.
    """
    made: dict[tuple[object, ...], Path] = {}

    def make(counts: dict[str, int], *, shards: int = 3) -> Path:
        asked = (*counts.items(), shards)
        if asked not in made:
            folder = tmp_path_factory.mktemp("tiny")
            splits = {
                name: _split(folder, name, count, min(shards, count))
                for name, count in counts.items()
            }
            manifest = schema.Manifest(
                schema_version=schema.SCHEMA_VERSION,
                class_names=CLASSES,
                preparation={"image_size": SIDE, "resize": "squash", "jpeg_quality": 95},
                source={"name": "tiny", "layout": "drawn"},
                build={},
                counts={},
                libraries={},
                files={},
                splits=splits,
            )
            (folder / schema.MANIFEST_FILE).write_text(schema.manifest_text(manifest))
            made[asked] = folder
        return made[asked]

    return make


@pytest.fixture(scope="session")
def data_dir(tiny_data: Callable[..., Path]) -> Path:
    """65 pictures to train on and 7 to validate, in 6 shards each."""
    return tiny_data({"train": 65, "validation": 7}, shards=6)


@pytest.fixture(scope="session")
def manifest(data_dir: Path) -> schema.Manifest:
    """The manifest of `data_dir`."""
    return schema.read_manifest(data_dir)
