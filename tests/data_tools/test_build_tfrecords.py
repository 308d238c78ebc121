"""A build keeps, rejects and counts what it should, and its folder is finished or absent."""

import csv
import dataclasses
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog import files, schema
from catdog.errors import InputError, LockedError, MismatchError, UsageError
from data_tools import build_tfrecords
from data_tools.config import BuildConfig

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "data_tools.build_tfrecords"]

Build = Callable[..., dict[str, Any]]


def jpeg(seed: int, side: int = 24) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).save(stream, "JPEG")
    return stream.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """40 pictures in Kaggle's layout: 4 copies, 3 broken ones, and 2 files that are none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for label, name in enumerate(("cat", "dog")):
        for number in range(20):
            (folder / f"{name}.{number}.jpg").write_bytes(jpeg(100 * label + number))
    for copy in range(4):
        shutil.copy(folder / "cat.0.jpg", folder / f"cat.{20 + copy}.jpg")
    (folder / "dog.20.jpg").write_bytes(b"")
    (folder / "dog.21.jpg").write_bytes(jpeg(7)[:-300])
    (folder / "cat.24.jpg").write_bytes(b"<html>")
    (folder / "notes.txt").write_bytes(b"text")
    (folder / "123.jpg").write_bytes(jpeg(8))
    return folder


@pytest.fixture
def build(pictures: Path, tmp_path: Path) -> Build:
    """A build of `pictures` into tmp_path / "data", in this process; flags may be given."""

    def run(**changes: Any) -> dict[str, Any]:
        config = BuildConfig(
            source=str(pictures), output_dir=str(tmp_path / "data"), image_size=16, workers=1
        )
        return build_tfrecords.main(dataclasses.replace(config, **changes))

    return run


def flags(pictures: Path, output: Path, **more: Any) -> list[str]:
    given = {"source": pictures, "output_dir": output, "image_size": 16} | more
    return [f"--{name}={value}" for name, value in given.items()]


def test_what_is_kept_rejected_and_passed_over_is_counted(build: Build, tmp_path: Path) -> None:
    result = build()
    train = result["splits"]["train"]
    assert result == {
        "kept": 44,
        "rejected": 3,
        "excluded": 0,
        "duplicates": {
            "groups": 1,
            "pictures": 5,
            "exact": 4,
            "near": 0,
            "mirrored": 0,
            "conflicts": 0,
            "dropped": 0,
        },
        "passed_over": 2,
        "left_out": 0,
        "splits": {"train": train, "validation": 44 - train},
        "output_dir": str(tmp_path / "data"),
    }
    manifest = schema.read_manifest(tmp_path / "data")
    assert manifest.counts["kept"] == 44
    assert sum(manifest.counts["passed_over"].values()) == 2
    assert manifest.preparation["subsampling"] == "4:2:0"
    rejected = {row["key"]: row["reason"] for row in rows(tmp_path / "data" / "rejects.csv")}
    assert list(rejected) == ["cat.24.jpg", "dog.20.jpg", "dog.21.jpg"]
    assert rejected["dog.20.jpg"] == "empty file"
    assert rejected["dog.21.jpg"].startswith("damaged JPEG: image file is truncated")
    assert rejected["cat.24.jpg"].startswith("not a JPEG")


def test_the_source_is_left_as_it_was(build: Build, pictures: Path) -> None:
    before = contents(pictures)
    build()
    assert contents(pictures) == before


def test_splits_csv_has_each_record_in_the_order_of_reading(build: Build, tmp_path: Path) -> None:
    import tensorflow as tf

    build(num_shards=("train=2", "validation=1"))
    data = tmp_path / "data"
    stated = rows(data / "splits.csv")
    assert set(stated[0].values()) >= {"pictures", "train"}
    for name, split in schema.read_manifest(data).splits.items():
        mine = [row for row in stated if row["split"] == name]
        paths = [str(data / shard.file) for shard in split.shards]
        parsed = [schema.parse(record) for record in tf.data.TFRecordDataset(paths)]
        assert [row["key"] for row in mine] == [item["key"].numpy().decode() for item in parsed]
        assert [int(row["label"]) for row in mine] == [int(item["label"]) for item in parsed]
        assert all(row["class"] == row["key"].split(".")[0] for row in mine)
        places = [(index, n) for index, s in enumerate(split.shards) for n in range(s.examples)]
        assert [(int(row["shard"]), int(row["record"])) for row in mine] == places
        labels = Counter(int(row["label"]) for row in mine)
        assert split.label_counts == (labels[0], labels[1])


def test_exact_copies_share_a_split(build: Build, tmp_path: Path) -> None:
    build(splits=("train=0.5", "validation=0.5"))
    copies = [0, 20, 21, 22, 23]
    found = {row["key"]: row["split"] for row in rows(tmp_path / "data" / "splits.csv")}
    assert len({found[f"cat.{number}.jpg"] for number in copies}) == 1


def test_two_processes_or_eight_write_the_bytes_that_one_writes(
    build: Build, pictures: Path, tmp_path: Path
) -> None:
    build(num_shards=("4",))
    for workers in (2, 8):
        output = tmp_path / f"data{workers}"
        command = COMMAND + flags(pictures, output, num_shards=4, workers=workers)
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        assert contents(output) == contents(tmp_path / "data")


def test_no_file_tells_when_or_where_it_was_built(
    build: Build, pictures: Path, tmp_path: Path
) -> None:
    build()
    elsewhere = tmp_path / "another" / "place" / "pictures"
    shutil.copytree(pictures, elsewhere)
    for path in elsewhere.iterdir():
        os.utime(path, (1e9, 1e9))
    build(source=f"{elsewhere}/", output_dir=str(tmp_path / "data2"))
    assert contents(tmp_path / "data2") == contents(tmp_path / "data")
    whole = b"".join(contents(tmp_path / "data").values())
    for word in (str(tmp_path), socket.gethostname(), str(time.localtime().tm_year) + "-"):
        assert word.encode() not in whole


def test_every_file_has_the_sha256_and_size_that_the_manifest_states(
    build: Build, tmp_path: Path
) -> None:
    import hashlib

    build()
    manifest = schema.read_manifest(tmp_path / "data")
    shards = [shard for split in manifest.splits.values() for shard in split.shards]
    stated = manifest.files | {shard.file: shard.sha256 for shard in shards}
    found = contents(tmp_path / "data")
    del found["manifest.json"], found["DATA_CARD.md"]
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == stated


def test_counts_leave_the_rest_out(build: Build) -> None:
    result = build(splits=("train=10", "test=6"))
    assert (result["kept"], result["rejected"], result["left_out"]) == (16, 3, 44 - 16)
    assert result["splits"] == {"train": 10, "test": 6}


def test_a_sample_is_balanced(build: Build, tmp_path: Path) -> None:
    result = build(sample_size=20, splits=("test=1.0",), max_rejects=-1)
    assert result["kept"] + result["rejected"] == 20
    assert result["left_out"] == 27


def test_more_rejects_than_allowed_stop_the_build(build: Build, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than --max_rejects=2 pictures are rejected"):
        build(max_rejects=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".data.partial", "pictures"]
    assert build(max_rejects=3)["rejected"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pictures"]


@pytest.mark.parametrize("broken", ["*.jpg", "dog.*.jpg"])
def test_a_class_of_broken_pictures_alone_is_an_input_error(
    build: Build, pictures: Path, broken: str
) -> None:
    for path in pictures.glob(broken):
        path.write_bytes(path.name.encode())
    with pytest.raises(InputError, match=r"every picture of the class '\w+' is rejected, '\w+\."):
        build()


def test_a_dry_run_counts_and_writes_nothing(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = build(dry_run=True, output_dir=str(tmp_path / "new" / "data"))
    done = build(output_dir=str(tmp_path / "done"))
    assert (result["pictures"], result["splits"]) == (44, done["splits"])
    assert result["rejected"] == done["rejected"] == 3
    shutil.rmtree(tmp_path / "done")
    assert 0 < result["bytes_needed"] < result["bytes_free"]
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    said = capsys.readouterr().err
    assert "train: 35 pictures (19 cat, 16 dog) in 1 shard\n" in said
    assert said.count("rejected: 1 (empty file)") == 2
    assert "passed over: 1" in said
    assert "MB free: enough" in said


def test_a_folder_in_use_is_never_written_to(build: Build, tmp_path: Path) -> None:
    before = build()
    data = contents(tmp_path / "data")
    assert build() == before
    with pytest.raises(MismatchError, match=r"image_size: 16 then, 24 now"):
        build(image_size=24)
    assert contents(tmp_path / "data") == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pictures"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").write_text("")
    with pytest.raises(UsageError, match="already holds files"):
        build(output_dir=str(tmp_path / "other"))
    with pytest.raises(UsageError, match="is a file"):
        build(output_dir=str(tmp_path / "other" / "mine"))
    with pytest.raises(UsageError, match=r"cannot be made \(Not a directory\); name a folder"):
        build(output_dir=str(tmp_path / "other" / "mine" / "data"))
    with pytest.raises(UsageError, match="is a mount point"):
        build(output_dir="/")


def test_an_empty_folder_is_taken(build: Build, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    build()
    assert (tmp_path / "data" / "manifest.json").exists()


def test_two_builds_of_one_folder_exclude_each_other(build: Build, tmp_path: Path) -> None:
    work = tmp_path / ".data.partial"
    work.mkdir()
    with (
        files.lock(work / ".lock", "it"),
        pytest.raises(LockedError, match="in use by another job"),
    ):
        build()


def test_a_class_name_must_fit_on_a_line(build: Build, tmp_path: Path) -> None:
    for name in ("cat", "big\ndog"):
        (tmp_path / "folders" / name).mkdir(parents=True)
        (tmp_path / "folders" / name / "1.jpg").write_bytes(jpeg(1))
    with pytest.raises(InputError, match="without line ends or outer blanks"):
        build(source=str(tmp_path / "folders"), layout="image_folder")


def test_a_users_mistake_is_one_line_and_its_exit_code(tmp_path: Path, pictures: Path) -> None:
    absent = COMMAND + flags(tmp_path / "absent", tmp_path / "data")
    done = subprocess.run(absent, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    good = COMMAND + flags(pictures, tmp_path / "data", workers=1)
    done = subprocess.run(good, capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout)["kept"] == 44
