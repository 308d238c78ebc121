"""Twelve ways to break a shard, each found at its place without TensorFlow."""

import csv
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catdog import files, inquest, inspection, schema
from catdog.errors import IntegrityError, NumericError


def with_table(folder: Path, frames_of: Any) -> None:
    """Adds the splits.csv that a build would have written."""
    manifest = schema.read_manifest(folder)
    rows: list[tuple[Any, ...]] = []
    for split in manifest.splits.values():
        for index, shard in enumerate(split.shards):
            for number, frame in enumerate(frames_of((folder / shard.file).read_bytes())):
                one = schema.deserialize(frame[12:-4])
                about = (one.filename, one.sha256, one.label, one.text)
                rows.append((*about, split.name, "tiny", index, number))
    header = ("key", "sha256", "label", "class", "split", "source", "shard", "record")
    text = files.csv_text(header, rows)
    assert len(list(csv.reader(text.splitlines()))) == len(rows) + 1
    (folder / "splits.csv").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    described = dataclasses.replace(manifest, files={"splits.csv": digest})
    (folder / schema.MANIFEST_FILE).write_text(schema.manifest_text(described))


@dataclasses.dataclass(frozen=True)
class Broken:
    """A data set with a damaged last shard of its split "validation"."""

    folder: Path
    manifest: schema.Manifest
    shard: schema.Shard
    frames: list[bytes]


@pytest.fixture
def broken(
    tiny_data: Callable[..., Path], tmp_path: Path, shard_damages: dict[str, Any], frames_of: Any
) -> Callable[..., Broken]:
    def make(kind: str, *, table: bool = True) -> Broken:
        folder = shutil.copytree(tiny_data({"validation": 12}, shards=2), tmp_path / "data")
        other = tiny_data({"train": 11}, shards=1)
        other_shard = schema.read_manifest(other).split("train").shards[0]
        if table:
            with_table(folder, frames_of)
        manifest = schema.read_manifest(folder)
        shard = max(manifest.split("validation").shards, key=lambda one: one.examples)
        path = folder / shard.file
        frames = frames_of(path.read_bytes())
        others = frames_of((other / other_shard.file).read_bytes())
        content = shard_damages[kind].change(frames, others)
        path.unlink() if content is None else path.write_bytes(content)
        return Broken(folder, manifest, shard, frames)

    return make


def test_there_are_twelve(shard_damages: dict[str, Any]) -> None:
    assert len(shard_damages) == 12


def test_damage_is_found_with_its_file_record_offset_and_key(
    broken: Callable[..., Broken], shard_damages: dict[str, Any], damage_kind: str
) -> None:
    made, damage = broken(damage_kind), shard_damages[damage_kind]
    problem = inquest.first_damage(made.folder, made.manifest, "validation")
    assert problem is not None
    assert problem.place.file == made.shard.file
    number = damage.record(made.shard.examples)
    assert problem.place.record == number
    assert damage.words in problem.reason
    if number is None or number == made.shard.examples:
        return
    if damage_kind not in ("empty", "cut between records"):  # there is no such record then
        assert problem.place.offset == sum(map(len, made.frames[:number]))
    keys = [schema.deserialize(frame[12:-4]).filename for frame in made.frames]
    expected = {"a record twice": 1, "two records swapped": 3}.get(damage_kind, number)
    if damage_kind != "another build's shard":
        assert problem.place.key == keys[expected]


def test_nearly_all_is_found_where_no_table_lists_the_keys(
    broken: Callable[..., Broken], shard_damages: dict[str, Any], damage_kind: str
) -> None:
    made, damage = broken(damage_kind, table=False), shard_damages[damage_kind]
    problem = inquest.first_damage(made.folder, made.manifest, "validation")
    assert problem is not None
    assert problem.place.file == made.shard.file
    if damage_kind not in ("another build's shard", "two records swapped"):
        assert problem.place.record == damage.record(made.shard.examples)


def test_swapped_records_without_a_table_are_told_of_the_file(
    broken: Callable[..., Broken],
) -> None:
    made = broken("two records swapped", table=False)
    problem = inquest.first_damage(made.folder, made.manifest, "validation")
    assert problem is not None
    assert problem.place == inquest.Place(made.shard.file)
    assert "its sha256 differs" in problem.reason


@pytest.mark.parametrize("table", [False, True])
def test_nothing_is_found_in_a_sound_split(
    tiny_data: Callable[..., Path], tmp_path: Path, frames_of: Any, table: bool
) -> None:
    folder = shutil.copytree(tiny_data({"validation": 12}, shards=2), tmp_path / "data")
    if table:
        with_table(folder, frames_of)
    manifest = schema.read_manifest(folder)
    assert inquest.first_damage(folder, manifest, "validation") is None
    error = IntegrityError("12 examples were due once each")
    assert inquest.explained(error, folder, manifest, "validation") is None


def test_an_error_names_the_place_and_the_way_out(broken: Callable[..., Broken]) -> None:
    made = broken("a broken JPEG")

    class DataLossError(Exception):
        """By this name alone TensorFlow's error is known."""

    found = inquest.explained(DataLossError(), made.folder, made.manifest, "validation")
    assert isinstance(found, IntegrityError)
    assert f"{made.shard.file}, record 2 (byte " in str(found)
    assert "key 'validation/" in str(found)
    assert "delete it and run the same build again" in str(found)
    assert f"verify_tfrecords --data_dir={made.folder}" in str(found)
    assert len(str(found).splitlines()) == 1
    for other in (NumericError("NaN"), MemoryError(), KeyboardInterrupt()):
        assert inquest.explained(other, made.folder, made.manifest, "validation") is None


def test_bad_examples_are_told_with_their_reasons(broken: Callable[..., Broken]) -> None:
    made = broken("a label that is no class")
    split = made.manifest.split("validation")
    first = sum(s.examples for s in split.shards[: split.shards.index(made.shard)])
    sound, bad = inquest.bad_records(made.folder, made.manifest, "validation", [first, first + 2])
    assert (sound.place.record, sound.reason) == (0, "TensorFlow could not decode it")
    assert (bad.place.record, bad.place.file) == (2, made.shard.file)
    assert bad.place.key == f"validation/{first + 2}.jpg"
    assert bad.reason == "its label 7 is none of the 2 classes"
    assert "(and 1 more)" in str(inquest.error_of([sound, bad], made.folder))


def test_a_damaged_table_is_no_obstacle(broken: Callable[..., Broken]) -> None:
    made = broken("a broken JPEG")
    table = made.folder / "splits.csv"
    for text in ("", "nonsense", table.read_text()[:-30]):
        table.write_text(text)
        problem = inquest.first_damage(made.folder, made.manifest, "validation")
        assert problem is not None
        assert problem.place.record == 2
        with pytest.raises(ValueError, match="sha256"):
            inquest.read_rows(made.folder, made.manifest)
    table.unlink()
    with pytest.raises(ValueError, match="No such file"):
        inquest.read_rows(made.folder, made.manifest)


def test_keys_that_look_like_formulas_are_read_as_they_were(tmp_path: Path) -> None:
    text = files.csv_text(
        ("key", "sha256", "label", "split", "shard"),
        [("=1+1\n'x'.jpg", "00", 1, "train", 0), ("'quoted.jpg", "01", 0, "train", 0)],
    )
    (tmp_path / "splits.csv").write_text(text)
    shard = schema.Shard("shard", 2, 1, "00", schema.NO_SUMS)
    manifest = schema.Manifest(
        schema_version=1,
        class_names=("a", "b"),
        preparation={"image_size": 8},
        source={},
        build={},
        counts={},
        libraries={},
        files={"splits.csv": hashlib.sha256(text.encode()).hexdigest()},
        splits={"train": schema.Split("train", (shard,), (1, 1))},
    )
    rows = inquest.read_rows(tmp_path, manifest)
    assert json.dumps([row.key for row in rows["shard"]]) == r"""["=1+1\n'x'.jpg", "'quoted.jpg"]"""
    assert [row.label for row in rows["shard"]] == [1, 0]


# ---- one record ----


def faults(folder: Path, frames_of: Any, **changes: Any) -> list[str]:
    manifest = schema.read_manifest(folder)
    (shard,) = manifest.split("train").shards
    frame = frames_of((folder / shard.file).read_bytes())[0]
    example = dataclasses.replace(schema.deserialize(frame[12:-4]), **changes)
    expected = inspection.Expected(shard, manifest.class_names, manifest.image_size)
    return inspection.record_faults(schema.serialize(example), expected)


def encoded(mode: str, side: int, kind: str) -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new(mode, (side, side)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"label": -1}, "its label -1 is none of the 2 classes"),
        ({"text": "bird"}, "its class is 'bird'"),
        ({"height": 255}, "it says 255 x 256 pixels, 256 x 256 are due"),
        ({"format": "png"}, "its format is 'png'"),
        ({"encoded": b""}, "its picture is no JPEG"),
        ({"encoded": encoded("RGB", 256, "PNG")}, "its picture is no JPEG"),
        ({"encoded": encoded("RGB", 256, "JPEG") + b"more"}, "something follows its end"),
        ({"encoded": encoded("RGB", 256, "JPEG")[:-2]}, "a damaged JPEG (image file is"),
        ({"encoded": encoded("L", 256, "JPEG")}, "256 x 256 L, 256 x 256 RGB is due"),
        ({"encoded": encoded("RGB", 300, "JPEG")}, "300 x 300 RGB, 256 x 256 RGB is due"),
    ],
)
def test_what_a_record_may_not_be(
    tiny_data: Callable[..., Path], frames_of: Any, changes: dict[str, Any], words: str | None
) -> None:
    found = faults(tiny_data({"train": 4}, shards=1), frames_of, **changes)
    assert len(found) == (0 if words is None else 1)
    assert words is None or words in found[0]
