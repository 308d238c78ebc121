"""Copies planted among drawn pictures never straddle splits; they are listed, counted, dropped."""

import csv
import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from catdog import schema
from catdog.errors import InputError
from data_tools import build_tfrecords, sample
from data_tools.config import BuildConfig

Build = Callable[..., dict[str, Any]]

# New key, the picture it is a copy of, and what the copy is of it.
PLANTS = (
    ("cat.500.jpg", "cat.0.jpg", "exact"),
    ("cat.501.jpg", "cat.1.jpg", "near"),  # quality 60
    ("dog.502.jpg", "dog.2.jpg", "near"),  # 70 %
    ("dog.503.jpg", "dog.3.jpg", "mirrored"),
    ("cat.504.jpg", "dog.3.jpg", "near"),  # under another label
)
SMALLER = {"dog.502.jpg"}


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def planted(key: str, data: bytes) -> bytes:
    if key == "cat.500.jpg":
        return data
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    if key in SMALLER:
        image = image.resize((image.width * 7 // 10, image.height * 7 // 10))
    return jpeg(ImageOps.mirror(image) if key == "dog.503.jpg" else image, quality=60)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 drawn pictures, the plants, three flat pictures a class, and a broken one."""
    folder = tmp_path_factory.mktemp("duplicates") / "pictures"
    folder.mkdir()
    for name, data in sample.members(pictures=40, broken=0, seed=0):
        (folder / name).write_bytes(data)
    for key, original, _ in PLANTS:
        (folder / key).write_bytes(planted(key, (folder / original).read_bytes()))
    for number, level in enumerate((0, 1, 255, 254, 128, 129)):
        name = f"{('cat', 'dog')[number % 2]}.{600 + number}.jpg"
        (folder / name).write_bytes(jpeg(Image.new("RGB", (64, 48), (level,) * 3)))
    broken = (folder / "cat.4.jpg").read_bytes()
    (folder / "cat.700.jpg").write_bytes(broken[: len(broken) // 2])
    return folder


@pytest.fixture
def build(pictures: Path, tmp_path: Path) -> Build:
    """A build of `pictures` into tmp_path / "data"; flags may be given."""

    def run(**changes: Any) -> dict[str, Any]:
        config = BuildConfig(
            source=str(pictures),
            output_dir=str(tmp_path / "data"),
            image_size=16,
            workers=1,
            splits=("train=0.5", "validation=0.25", "test=0.25"),
        )
        return build_tfrecords.main(dataclasses.replace(config, **changes))

    return run


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def splits_of(folder: Path) -> dict[str, str]:
    return {row["key"]: row["split"] for row in rows(folder / "splits.csv")}


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_is_in_the_split_of_its_original(build: Build, tmp_path: Path, seed: int) -> None:
    build(seed=seed)
    found = splits_of(tmp_path / "data")
    assert len(found) == 40 + len(PLANTS) + 6
    for key, original, _ in PLANTS:
        assert found[key] == found[original]


def test_without_looking_copies_straddle_splits_and_only_exact_ones_are_listed(
    build: Build, tmp_path: Path
) -> None:
    apart = set()
    for seed in range(4):
        output = tmp_path / f"data{seed}"
        result = build(seed=seed, duplicates="allow", output_dir=str(output))
        assert result["duplicates"]["groups"] == 1
        found = splits_of(output)
        assert found["cat.500.jpg"] == found["cat.0.jpg"]
        apart |= {key for key, original, _ in PLANTS if found[key] != found[original]}
        assert schema.read_manifest(output).build["duplicates"] == "allow"
    assert len(apart) >= 3


def test_duplicates_csv_has_each_copy_its_kind_and_conflicts(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = build()
    listed = rows(tmp_path / "data" / "duplicates.csv")
    groups: dict[str, list[dict[str, str]]] = {}
    for row in listed:
        groups.setdefault(row["group"], []).append(row)
    originals = {key: original for key, original, _ in PLANTS}
    wanted = [{o, *(k for k in originals if originals[k] == o)} for o in originals.values()]
    assert sorted(map(sorted, wanted[:4])) == sorted(
        sorted(row["key"] for row in group) for group in groups.values()
    )
    found = splits_of(tmp_path / "data")
    for row in listed:
        assert (row["split"], row["fate"]) == (found[row["key"]], "stored")
        assert row["class"] == row["key"][:3]
        assert row["conflict"] == ("yes" if "dog.3.jpg" in _keys(groups[row["group"]]) else "no")
    for key, original, kind in PLANTS:
        (group,) = (group for group in groups.values() if key in _keys(group))
        assert group[0]["kind"] == "first"
        if original == group[0]["key"]:
            (row,) = (row for row in group if row["key"] == key)
            assert row["kind"] == kind
            assert float(row["distance"]) <= 0.03
    counted = {
        "groups": 4,
        "pictures": 9,
        "exact": 1,
        "conflicts": 1,
        "dropped": 0,
    }
    assert counted.items() <= result["duplicates"].items()
    assert result["duplicates"]["near"] + result["duplicates"]["mirrored"] == 4
    manifest = schema.read_manifest(tmp_path / "data")
    assert manifest.counts["duplicates"] == result["duplicates"]
    assert "duplicates.csv" in manifest.files
    assert "duplicates" not in manifest.build
    said = capsys.readouterr().err
    assert "duplicates: 9 pictures in 4 groups (1 exact, " in said
    assert "label conflicts: 1 of these groups; " in said


def _keys(group: list[dict[str, str]]) -> set[str]:
    return {row["key"] for row in group}


def test_drop_keeps_the_first_of_each_group_and_lists_the_others(
    build: Build, tmp_path: Path
) -> None:
    result = build(duplicates="drop")
    assert (result["kept"], result["rejected"], result["left_out"]) == (40 + 6, 1, 0)
    assert result["duplicates"]["dropped"] == 5
    found = splits_of(tmp_path / "data")
    listed = rows(tmp_path / "data" / "duplicates.csv")
    for row in listed:
        first = row["kind"] == "first"
        assert row["fate"] == ("stored" if first else "dropped")
        assert (row["key"] in found) == first
        assert row["split"] == found.get(row["key"], "")
    assert "dog.502.jpg" not in found  # the original has more pixels
    assert schema.read_manifest(tmp_path / "data").build["duplicates"] == "drop"


def test_a_sample_is_drawn_from_what_drop_leaves(build: Build) -> None:
    result = build(duplicates="drop", sample_size=44, splits=("train=1.0",))
    assert (result["kept"], result["rejected"]) == (44, 1)
    assert result["left_out"] == 46 - 44


def test_dropping_all_of_a_class_is_an_input_error(
    build: Build, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "few").mkdir()
    for key in ("cat.0.jpg", "cat.1.jpg"):
        shutil.copy(pictures / key, tmp_path / "few" / key)
        shutil.copy(pictures / key, tmp_path / "few" / key.replace("cat", "dog"))
    with pytest.raises(InputError, match="drop leaves no picture of the class 'dog'") as caught:
        build(source=str(tmp_path / "few"), duplicates="drop", splits=("train=1.0",))
    assert "give --duplicates=group" in str(caught.value)


def test_copies_left_out_are_listed_as_such_and_rejected_ones_are_none(
    build: Build, pictures: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    shutil.copytree(pictures, few)
    shutil.copy(few / "cat.700.jpg", few / "cat.701.jpg")
    build(source=str(few), splits=("train=30", "test=12"))
    rejected = {row["key"] for row in rows(tmp_path / "data" / "rejects.csv")}
    assert {"cat.700.jpg", "cat.701.jpg"} <= rejected
    found = splits_of(tmp_path / "data")
    fates = {row["key"]: row["fate"] for row in rows(tmp_path / "data" / "duplicates.csv")}
    assert not rejected & set(fates) and set(fates.values()) <= {"stored", "left out"}
    for key, fate in fates.items():
        assert (fate == "stored") == (key in found)


def test_two_processes_find_what_one_finds(build: Build, tmp_path: Path) -> None:
    for policy in ("group", "drop"):
        one, two = tmp_path / f"{policy}1", tmp_path / f"{policy}2"
        build(duplicates=policy, output_dir=str(one))
        build(duplicates=policy, output_dir=str(two), workers=2)
        assert contents(one) == contents(two)


def test_a_set_without_copies_is_the_same_bytes_whether_looked_at_or_not(
    build: Build, pictures: Path, tmp_path: Path
) -> None:
    clean = tmp_path / "clean"
    shutil.copytree(pictures, clean)
    for key, _, _ in PLANTS:
        (clean / key).unlink()
    result = build(source=str(clean))
    assert result["duplicates"]["groups"] == 0
    build(source=str(clean), duplicates="allow", output_dir=str(tmp_path / "allowed"))
    looked, not_looked = contents(tmp_path / "data"), contents(tmp_path / "allowed")
    assert "duplicates.csv" not in looked
    stated, stated_otherwise = (
        json.loads(files.pop("manifest.json")) for files in (looked, not_looked)
    )
    assert looked.pop("DATA_CARD.md") != not_looked.pop("DATA_CARD.md")  # it has the setting
    assert looked == not_looked
    assert list(stated["build"]) == ["splits", "sample_size", "seed"]
    assert stated_otherwise["build"].pop("duplicates") == "allow"
    assert stated == stated_otherwise


def test_a_dry_run_counts_the_groups(build: Build, tmp_path: Path) -> None:
    result = build(dry_run=True)
    assert (result["duplicates"]["groups"], result["duplicates"]["conflicts"]) == (4, 1)
    assert list(tmp_path.iterdir()) == []
