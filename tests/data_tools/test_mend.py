"""The same build on a finished data set makes again what was lost or damaged, and nothing else."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog import schema
from catdog.errors import IntegrityError, MismatchError
from data_tools import build_tfrecords, verify_tfrecords
from data_tools.config import BuildConfig, VerifyConfig

Build = Callable[..., dict[str, Any]]

TRAIN_0 = "catdog-train.tfrecord-00000-of-00003"
TRAIN_1 = "catdog-train.tfrecord-00001-of-00003"
TABLES = ("splits.csv", "rejects.csv", "features.json", "dataset_info.json")


def jpeg(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def nodes(folder: Path) -> dict[str, int]:
    """The inode of each file: a file that is written again gets another one."""
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


@pytest.fixture
def build(tmp_path: Path) -> Build:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(30):
        name = ("cat", "dog")[number % 2]
        (folder / f"{name}.{number}.jpg").write_bytes(jpeg(number))
    (folder / "cat.30.jpg").write_bytes(jpeg(30)[:-200])
    (folder / "dog.31.jpg").write_bytes(b"")

    def run(**changes: Any) -> dict[str, Any]:
        config = BuildConfig(
            source=str(folder),
            output_dir=str(tmp_path / "data"),
            image_size=16,
            num_shards=("train=3", "test=2"),
            splits=("train=0.7", "test=0.3"),
            workers=1,
        )
        return build_tfrecords.main(dataclasses.replace(config, **changes))

    return run


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [Path.unlink, cut, flip])
def test_a_shard_that_is_lost_or_damaged_is_made_again_alone(
    build: Build, tmp_path: Path, damage: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    data = tmp_path / "data"
    result = build()
    whole, before = contents(data), nodes(data)
    damage(data / TRAIN_1)
    capsys.readouterr()
    assert build() == result
    assert f"made again: {TRAIN_1}\n" in capsys.readouterr().err
    assert contents(data) == whole
    del before[TRAIN_1]
    assert nodes(data) | before == nodes(data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pictures"]


@pytest.mark.parametrize("names", [[name] for name in TABLES] + [[*TABLES, TRAIN_0]])
def test_any_other_file_too(build: Build, tmp_path: Path, names: list[str]) -> None:
    data = tmp_path / "data"
    build()
    whole = contents(data)
    for name in names:
        (data / name).unlink()
    manifest = (data / "manifest.json").stat()
    build()
    assert contents(data) == whole
    assert (data / "manifest.json").stat() == manifest


def test_one_shard_deleted_and_one_damaged_are_made_again_as_verify_says(
    build: Build, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    build()
    whole = contents(data)
    (data / TRAIN_0).unlink()
    flip(data / TRAIN_1)
    (data / "DATA_CARD.md").unlink()
    verify = VerifyConfig(data_dir=str(data), workers=1)
    with pytest.raises(IntegrityError, match="delete the damaged shards and run the same build"):
        verify_tfrecords.main(verify)
    build()
    assert contents(data) == whole
    assert verify_tfrecords.main(verify)["problems"] == 0


def test_what_people_wrote_on_the_card_stays(build: Build, tmp_path: Path) -> None:
    data = tmp_path / "data"
    build(licence="cc0-1.0")
    card = data / "DATA_CARD.md"
    assert 'license: "cc0-1.0"\n' in card.read_text()
    assert "DATA_CARD.md" not in schema.read_manifest(data).files
    card.write_text("Asked Ann, who took them.\n")
    flip(data / TRAIN_0)
    build(licence="mit")
    assert card.read_text() == "Asked Ann, who took them.\n"
    assert verify_tfrecords.main(VerifyConfig(data_dir=str(data), workers=1))["problems"] == 0


def test_other_settings_or_pictures_are_told_and_nothing_else_is_written(
    build: Build, tmp_path: Path
) -> None:
    data, pictures = tmp_path / "data", tmp_path / "pictures"
    build()
    cut(data / TRAIN_0)
    before = contents(data)
    with pytest.raises(MismatchError, match="build.seed: 0 then, 1 now"):
        build(seed=1)
    with pytest.raises(MismatchError, match=r"shards.test: 2 then, 1 now"):
        build(num_shards=("train=3", "test=1"))
    (pictures / "cat.0.jpg").write_bytes(jpeg(99))
    with pytest.raises(MismatchError, match="of other pictures or settings"):
        build()
    (data / "rejects.csv").unlink()
    del before["rejects.csv"]
    with pytest.raises(MismatchError, match="of other pictures or settings"):
        build()
    assert contents(data) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pictures"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": 1}, "build.seed: 0 then, 1 now"),
        ({"image_size": 32}, "preparation.image_size: 16 then, 32 now"),
        ({"decoder": "fast"}, 'preparation.decoder: "pillow" then, "fast" now'),
        ({"duplicates": "drop"}, 'build.duplicates: null then, "drop" now'),
    ],
)
def test_other_settings_are_told_before_a_picture_is_read(
    build: Build, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], says: str
) -> None:
    if changes.get("decoder") == "fast":
        pytest.importorskip("simplejpeg")
        pytest.importorskip("cykooz_resizer")
    build()
    monkeypatch.delattr("data_tools._plan.scanned")
    with pytest.raises(MismatchError, match=says):
        build(**changes)


def test_a_damaged_manifest_says_that_nothing_can_be_mended(build: Build, tmp_path: Path) -> None:
    build()
    cut(tmp_path / "data" / "manifest.json")
    with pytest.raises(IntegrityError, match="remove the folder and run again"):
        build()
