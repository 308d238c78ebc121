"""The preview shows stored pictures and what training makes of them, epoch for epoch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import preview, schema
from catdog.config import PreviewConfig
from catdog.data import pipeline
from catdog.errors import InputError, MismatchError, UsageError
from catdog.parts import make_augmentations
from catdog.reports.sheet import Cell

AUGMENTATIONS = ("random_crop_flip", "mixup")
BATCH = 8
SIZE = 64


@pytest.fixture(scope="module")
def data_dir(tiny_data: Callable[..., Path]) -> Path:
    return tiny_data({"train": 21, "validation": 3}, shards=3)


@pytest.fixture
def config(data_dir: Path, tmp_path: Path) -> Callable[..., PreviewConfig]:
    def make(**changes: Any) -> PreviewConfig:
        settings = {
            "data_dir": str(data_dir),
            "output_file": str(tmp_path / "preview.png"),
            "augmentation": AUGMENTATIONS,
            "augmentation_option": ("mixup.alpha=1.0",),
            "image_size": SIZE,
            "batch_size": BATCH,
            "pictures": 4,
            "samples": 3,
            "seed": 5,
        }
        return PreviewConfig(**settings | changes)

    return make


def test_it_shows_what_training_gets(
    config: Callable[..., PreviewConfig], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[list[Cell]] = []
    write_sheet = preview.write_sheet

    def noted(path: Path, rows: list[list[Cell]], **options: Any) -> None:
        shown.extend(rows)
        write_sheet(path, rows, **options)

    monkeypatch.setattr(preview, "write_sheet", noted)
    chosen = config()
    result = preview.main(chosen)
    assert (result["pictures"], result["samples"]) == (4, 3)
    first = Path(result["output_file"]).read_bytes()

    manifest = schema.read_manifest(data_dir)
    batches = pipeline.train_dataset(
        data_dir,
        manifest,
        "train",
        slice_=pipeline.Slice(BATCH),
        augmentations=make_augmentations(
            AUGMENTATIONS, chosen.augmentation_option, SIZE, manifest.statistics("train")
        ),
        seed=5,
        epochs=3,
    )
    versions: dict[int, list[np.ndarray]] = {}
    for batch in batches.as_numpy_iterator():
        for number, image in zip(batch["ids"], batch["images"], strict=True):
            versions.setdefault(int(number), []).append(image)
    assert [len(row) for row in shown] == [4] * 4
    for stored, *cells in shown:
        number = int(stored.lines[1].removeprefix("train/").removesuffix(".jpg"))
        for cell, image in zip(cells, versions[number], strict=True):
            np.testing.assert_array_equal(cell.image, image)
    assert sorted(row[0].lines[0] for row in shown) == ["cat", "cat", "dog", "dog"]

    assert preview.main(chosen) == result
    assert Path(result["output_file"]).read_bytes() == first, "equal settings, equal bytes"


def test_the_stored_pictures_are_whole_and_mixtures_say_their_shares(
    config: Callable[..., PreviewConfig], data_dir: Path
) -> None:
    manifest = schema.read_manifest(data_dir)
    records = list(preview._stored(data_dir, manifest.split("train")))
    assert [record.key for record in records] == [f"train/{n}.jpg" for n in range(21)]
    rows = preview._rows(config(), manifest, records[:6])
    mixed = 0
    for record, (stored, *cells) in zip(records, rows, strict=False):
        np.testing.assert_array_equal(stored.image, tf.io.decode_jpeg(record.jpeg))
        own = manifest.class_names[record.label]
        assert stored.lines == (own, record.key)
        for cell in cells:
            if len(cell.lines) == 1:
                assert cell.lines == (own,)
                continue
            (name, share), (plus, other, rest) = (line.split() for line in cell.lines)
            assert (name, plus, other) == (own, "+", "dog" if own == "cat" else "cat")
            assert float(share) + float(rest) == pytest.approx(1.0, abs=0.011)
            mixed += 1
    assert mixed >= 3


def test_every_class_has_its_part_of_the_rows_as_far_as_its_pictures_go() -> None:
    records = [preview._Stored(n, label, str(n), b"") for n, label in enumerate([0] * 6 + [1] * 2)]

    def numbers(count: int, classes: int = 2) -> list[int]:
        return [record.number for record in preview._chosen(iter(records), count, classes)]

    assert numbers(4) == [0, 1, 6, 7]
    assert numbers(6) == [0, 1, 2, 6, 7, 3]
    assert numbers(2, classes=50) == [0, 6]
    assert sorted(numbers(50)) == list(range(8))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"data_dir": "/nowhere"}, UsageError, "--data_dir must be an existing folder"),
        ({"output_file": "/nowhere/a.png"}, UsageError, "output_file's folder"),
        ({"output_file": "preview.jpg"}, UsageError, "must name a .png file"),
        ({"split": "test"}, UsageError, "choose from train, validation"),
        ({"image_size": 300}, MismatchError, "at least 300 pixels, the data set has 256"),
        ({"augmentation": ("mixup",)}, UsageError, "the first --augmentation cuts"),
        ({"augmentation_option": ("mixup.alpha=0",)}, UsageError, "alpha must be above 0"),
    ],
)
def test_mistakes_are_explained(
    config: Callable[..., PreviewConfig], changes: dict[str, Any], error: type, words: str
) -> None:
    with pytest.raises(error, match=words):
        preview.main(config(**changes))


def test_a_folder_without_records_is_refused(
    config: Callable[..., PreviewConfig], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="build_tfrecords first"):
        preview.main(config(data_dir=str(tmp_path)))
