"""Pictures that another built set has are left out, listed and counted; nothing else changes."""

import csv
import dataclasses
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catdog import schema
from catdog.errors import InputError, IntegrityError, UsageError
from data_tools import build_tfrecords, sample
from data_tools.config import BuildConfig

Build = Callable[..., dict[str, Any]]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    """{key: sha256} of the pictures in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def build_into(output: Path, source: Path, **changes: Any) -> dict[str, Any]:
    config = BuildConfig(source=str(source), output_dir=str(output), image_size=16, workers=1)
    return build_tfrecords.main(dataclasses.replace(config, **changes))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn sets, and records of the first: "old" has 12 pictures, "new" 8 of them and 12 more.

    Two of the 8 have other names, and one of these is there twice.
    """
    folder = tmp_path_factory.mktemp("drawn")
    for name in ("old", "new"):
        (folder / name).mkdir()
    first = list(sample.members(pictures=12, broken=0, seed=0))
    for name, data in first:
        (folder / "old" / name).write_bytes(data)
    for name, data in first[:6]:
        (folder / "new" / f"copy-of-old/{name}").parent.mkdir(exist_ok=True)
        (folder / "new" / f"copy-of-old/{name}").write_bytes(data)
    for number, (name, data) in enumerate([first[6], first[7], first[7]]):
        (folder / "new" / f"{name[:3]}.{900 + number}.jpg").write_bytes(data)
    for name, data in sample.members(pictures=12, broken=1, seed=1):
        (folder / "new" / name).write_bytes(data)
    build_into(folder / "records", folder / "old", splits=("train=0.5", "test=0.5"))
    return folder


@pytest.fixture
def build(drawn: Path, tmp_path: Path) -> Build:
    """A build of "new" into tmp_path / "data" without what "old" has; flags may be given."""

    def run(**changes: Any) -> dict[str, Any]:
        given = {"exclude_duplicates_of": (str(drawn / "records"),)} | changes
        return build_into(tmp_path / "data", drawn / "new", **given)

    return run


def test_the_overlap_of_two_drawn_sets_is_left_out_listed_and_counted(
    build: Build, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = build()
    # 12 pictures and a broken one that nobody has, and 6 + 3 that "old" has.
    assert (result["kept"], result["rejected"], result["excluded"]) == (12, 1, 9)
    assert "excluded, already in records: 9\n" in capsys.readouterr().err
    theirs = {row["sha256"]: row for row in rows(drawn / "records" / "splits.csv")}
    kept = rows(tmp_path / "data" / "splits.csv")
    assert not {row["sha256"] for row in kept} & set(theirs)
    excluded = rows(tmp_path / "data" / "excluded.csv")
    keys = [row["key"] for row in excluded]
    assert keys == sorted(keys)
    assert set(keys) >= {"cat.900.jpg", "dog.901.jpg", "dog.902.jpg", "copy-of-old/cat.0.jpg"}
    in_old = {sha256: name for name, sha256 in digests(drawn / "old").items()}
    for row in excluded:
        assert row["data_set"] == "records"
        assert row["key_there"] == in_old[row["sha256"]]
        assert row["split_there"] == theirs[row["sha256"]]["split"]
        data = (drawn / "new" / row["key"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
    assert {row["split_there"] for row in excluded} == {"train", "test"}


def test_the_manifest_names_the_other_set_by_its_fingerprint_and_no_file_its_place(
    build: Build, drawn: Path, tmp_path: Path
) -> None:
    build()
    manifest = schema.read_manifest(tmp_path / "data")
    old = schema.read_manifest(drawn / "records")
    assert manifest.schema_version == 1
    assert manifest.counts["excluded"] == 9
    assert manifest.build["exclude_duplicates_of"] == [old.fingerprint]
    listed = (tmp_path / "data" / "excluded.csv").read_bytes()
    assert manifest.files["excluded.csv"] == hashlib.sha256(listed).hexdigest()
    elsewhere = tmp_path / "another" / "records"
    shutil.copytree(drawn / "records", elsewhere)
    output = tmp_path / "data2"
    build(exclude_duplicates_of=(f"{elsewhere}/",), output_dir=str(output))
    assert contents(output) == contents(tmp_path / "data")
    whole = b"".join(contents(output).values())
    assert str(tmp_path).encode() not in whole
    assert str(drawn).encode() not in whole


def test_two_processes_write_the_bytes_that_one_writes(build: Build, tmp_path: Path) -> None:
    build()
    build(workers=2, output_dir=str(tmp_path / "data2"))
    assert contents(tmp_path / "data2") == contents(tmp_path / "data")


def test_without_the_flag_the_bytes_do_not_know_of_it(drawn: Path, tmp_path: Path) -> None:
    build_into(tmp_path / "plain", drawn / "new")
    assert "excluded.csv" not in contents(tmp_path / "plain")
    manifest = json.loads((tmp_path / "plain" / "manifest.json").read_text())
    # the set has a picture twice
    assert list(manifest["counts"]) == ["kept", "rejected", "left_out", "passed_over", "duplicates"]
    assert list(manifest["build"]) == ["splits", "sample_size", "seed"]


def test_what_is_left_is_divided_as_if_the_rest_had_never_been_there(
    build: Build, drawn: Path, tmp_path: Path
) -> None:
    build()
    theirs = set(digests(drawn / "old").values())
    shutil.copytree(drawn / "new", tmp_path / "new")
    for path in list(tmp_path.glob("new/**/*.jpg")):
        if hashlib.sha256(path.read_bytes()).hexdigest() in theirs:
            path.unlink()
    build_into(tmp_path / "clean", tmp_path / "new")
    clean, found = contents(tmp_path / "clean"), contents(tmp_path / "data")
    del found["excluded.csv"], found["manifest.json"], clean["manifest.json"]
    assert found.pop("DATA_CARD.md") != clean.pop("DATA_CARD.md")  # it tells how many are left out
    assert found == clean


def test_several_sets_are_asked_and_the_first_that_has_a_picture_is_named(
    build: Build, drawn: Path, tmp_path: Path
) -> None:
    (tmp_path / "part").mkdir()
    for name in ("cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.jpg"):
        shutil.copy(drawn / "new" / name, tmp_path / "part")
    shutil.copy(drawn / "old" / "cat.0.jpg", tmp_path / "part" / "cat.50.jpg")
    build_into(tmp_path / "recent", tmp_path / "part", splits=("train=1.0",))
    others = (str(tmp_path / "recent"), str(drawn / "records"))
    assert build(exclude_duplicates_of=others)["excluded"] == 9 + 4
    found = Counter(row["data_set"] for row in rows(tmp_path / "data" / "excluded.csv"))
    assert found == {"recent": 5, "records": 8}
    stated = schema.read_manifest(tmp_path / "data").build["exclude_duplicates_of"]
    assert stated == [schema.read_manifest(Path(other)).fingerprint for other in others]


def test_a_sample_is_drawn_from_what_is_left(build: Build, tmp_path: Path) -> None:
    result = build(sample_size=10, splits=("train=1.0",))
    assert (result["kept"], result["excluded"]) == (10, 9)
    assert result["left_out"] == 12 - 10
    with pytest.raises(UsageError, match="--sample_size=14 takes 7 .* there are 6 of 'cat'"):
        build(sample_size=14, dry_run=True, output_dir=str(tmp_path / "data2"))


def test_a_dry_run_counts_them_and_writes_nothing(build: Build, tmp_path: Path) -> None:
    result = build(dry_run=True)
    assert (result["pictures"], result["rejected"], result["excluded"]) == (12, 1, 9)
    assert list(tmp_path.iterdir()) == []


def test_nothing_left_is_an_input_error_with_a_way_out(drawn: Path, tmp_path: Path) -> None:
    others = (str(drawn / "records"),)
    with pytest.raises(InputError, match="no picture of the class 'cat': 12 of 12") as caught:
        build_into(tmp_path / "data", drawn / "old", exclude_duplicates_of=others)
    assert "give a source with other pictures, or leave the flag out" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [".data.partial"]


def test_a_folder_that_is_no_data_set_is_an_input_error(build: Build, drawn: Path) -> None:
    with pytest.raises(InputError, match=r"has no manifest\.json; run python -m data_tools"):
        build(exclude_duplicates_of=(str(drawn / "new"),))
    with pytest.raises(InputError, match=r"has no manifest\.json; .*/records has one: give that"):
        build(exclude_duplicates_of=(str(drawn),))


@pytest.mark.parametrize("damage", ["a row less", "another sha256", "no text", "no file"])
def test_a_damaged_table_is_an_integrity_error(
    build: Build, drawn: Path, tmp_path: Path, damage: str
) -> None:
    shutil.copytree(drawn / "records", tmp_path / "records")
    path = tmp_path / "records" / "splits.csv"
    data = path.read_bytes()
    if damage == "a row less":
        path.write_bytes(data[: data.rindex(b"\n", 0, -1) + 1])
    elif damage == "another sha256":
        sha256 = rows(path)[0]["sha256"].encode()
        path.write_bytes(data.replace(sha256, b"0" * 64))
    elif damage == "no text":
        path.write_bytes(b"\xff" + data)
    else:
        path.unlink()
    with pytest.raises(IntegrityError, match=r"splits\.csv .*; copy the data set again") as caught:
        build(exclude_duplicates_of=(str(tmp_path / "records"),))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_keys_that_a_spreadsheet_would_take_for_formulas_come_back_as_they_were(
    drawn: Path, tmp_path: Path
) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "pictures" / f"=a,{label}").mkdir(parents=True)
        shutil.copy(drawn / "old" / f"{label}.0.jpg", tmp_path / "pictures" / f"=a,{label}/1.jpg")
        shutil.copy(drawn / "old" / f"{label}.1.jpg", tmp_path / "pictures" / f"=a,{label}/2.jpg")
    source = tmp_path / "pictures"
    build_into(tmp_path / "+odd", source, splits=("train=1.0",), layout="image_folder")
    for label in ("cat", "dog"):
        shutil.copy(drawn / "new" / f"{label}.1.jpg", source / f"=a,{label}" / "3.jpg")
    build_into(
        tmp_path / "data",
        source,
        splits=("train=1.0",),
        layout="image_folder",
        exclude_duplicates_of=(str(tmp_path / "+odd"),),
    )
    found = rows(tmp_path / "data" / "excluded.csv")
    assert {(row["key"], row["key_there"], row["data_set"]) for row in found} == {
        (f"'=a,{label}/{number}.jpg", f"'=a,{label}/{number}.jpg", "'+odd")
        for label in ("cat", "dog")
        for number in (1, 2)
    }
