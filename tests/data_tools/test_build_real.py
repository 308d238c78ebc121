"""The real archives give the counts that are known of them, the same bytes from any processes."""

import csv
from pathlib import Path

from catdog import schema
from data_tools import build_tfrecords
from data_tools.config import BuildConfig

# Small squares: what is kept, and whether processes agree, does not depend on their size.
SIZE = 32


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_12500_of_the_half_set_are_kept(real_data: Path, tmp_path: Path) -> None:
    config = BuildConfig(
        source=str(real_data / "dogs-vs-cats-200px.zip"),
        output_dir=str(tmp_path / "data"),
        image_size=SIZE,
        workers=2,
    )
    result = build_tfrecords.main(config)
    del result["output_dir"]
    assert result == {
        "kept": 12_500,
        "rejected": 0,
        "passed_over": 0,
        "left_out": 0,
        "excluded": 0,
        # looked at by eye: five pairs, each of them one picture twice
        "duplicates": {
            "groups": 5,
            "pictures": 10,
            "exact": 1,
            "near": 4,
            "mirrored": 0,
            "conflicts": 0,
            "dropped": 0,
        },
        "splits": {"train": 10_000, "validation": 2_500},
    }
    manifest = schema.read_manifest(tmp_path / "data")
    with (tmp_path / "data" / "duplicates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = {(one["key"], other["key"]) for one, other in zip(rows[::2], rows[1::2], strict=True)}
    assert pairs == {
        ("train/cat.4435.jpg", "train/cat.3411.jpg"),
        ("train/cat.4667.jpg", "train/cat.11053.jpg"),
        ("train/dog.10797.jpg", "train/dog.2877.jpg"),
        ("train/dog.6902.jpg", "train/dog.6421.jpg"),
        ("train/dog.8591.jpg", "train/dog.39.jpg"),
    }
    assert manifest.class_names == ("cat", "dog")
    assert manifest.split("train").label_counts == (5000, 5000)
    assert manifest.split("validation").label_counts == (1250, 1250)


def test_1000_originals_are_kept_and_8_rejected_by_1_2_and_8_processes(
    real_data: Path, tmp_path: Path
) -> None:
    for workers in (1, 2, 8):
        config = BuildConfig(
            source=str(real_data / "petimages-1000.zip"),
            output_dir=str(tmp_path / f"data{workers}"),
            image_size=SIZE,
            workers=workers,
        )
        result = build_tfrecords.main(config)
        assert (result["kept"], result["rejected"], result["passed_over"]) == (1000, 8, 3)
    with (tmp_path / "data1" / "rejects.csv").open(newline="") as file:
        assert all(row["reason"] and row["sha256"] for row in csv.DictReader(file))
    assert contents(tmp_path / "data1") == contents(tmp_path / "data2")
    assert contents(tmp_path / "data1") == contents(tmp_path / "data8")
