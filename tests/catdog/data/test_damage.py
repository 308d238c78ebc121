"""Whatever is wrong with the records: never fewer of them in silence, and told in one line."""

import dataclasses
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from catdog import cli, schema
from catdog.augmentations.random_crop_flip import RandomCropFlip
from catdog.data import order, pipeline
from catdog.errors import IntegrityError


@dataclasses.dataclass(frozen=True)
class NoFlags:
    """A command without flags."""


def encoded(mode: str, side: int, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (side, side)).save(stream, kind)
    return stream.getvalue()


def stored(example: schema.Example, picture: bytes) -> bytes:
    """The example's record with another picture."""
    return schema.serialize(dataclasses.replace(example, encoded=picture))


# (what a shard of `count` records becomes, a piece of the line that the user sees)
DAMAGES: dict[str, tuple[Callable[[bytes, int], bytes], str]] = {
    "a record more": (lambda content, count: content + content_of_one(content), "counted"),
    "records twice": (lambda content, count: content * 2, "counted"),
    "a record less": (lambda content, count: content[len(content_of_one(content)) :], "counted"),
    "empty": (lambda content, count: b"", "found"),
    "a flipped bit": (lambda content, count: content[:500] + b"\0" + content[501:], "corrupted"),
    "cut": (lambda content, count: content[:-7], "truncated"),
}

# What a record whose frame is sound becomes.
CONTENTS: dict[str, Callable[[schema.Example], bytes]] = {
    "no example": lambda example: b"hello",
    "no features": lambda example: b"",
    "no picture": lambda example: stored(example, b"hello"),
    "an empty picture": lambda example: stored(example, b""),
    "a cut picture": lambda example: stored(example, example.encoded[:-400]),
    "a picture and more": lambda example: stored(example, example.encoded + b"more"),
    "a small picture": lambda example: stored(example, encoded("RGB", 100, "JPEG")),
    "a large picture": lambda example: stored(example, encoded("RGB", 300, "JPEG")),
    "a gray picture": lambda example: stored(example, encoded("L", 256, "JPEG")),
    "a PNG": lambda example: stored(example, encoded("RGB", 256, "PNG")),
    "a WebP": lambda example: stored(example, encoded("RGB", 256, "WEBP")),
    "a label too large": lambda example: schema.serialize(dataclasses.replace(example, label=2)),
    "a negative label": lambda example: schema.serialize(dataclasses.replace(example, label=-1)),
}


def content_of_one(content: bytes) -> bytes:
    """The first framed record: 8 bytes of length, 4 of checksum, the record, 4 of checksum."""
    return content[: 16 + int.from_bytes(content[:8], "little")]


def evaluation(folder: Path, *, check_contents: bool = False) -> tf.data.Dataset:
    return pipeline.eval_dataset(
        folder,
        schema.read_manifest(folder),
        "validation",
        slice_=pipeline.Slice(4),
        check_contents=check_contents,
    )


def training(folder: Path, *, check_contents: bool = False) -> tf.data.Dataset:
    return pipeline.train_dataset(
        folder,
        schema.read_manifest(folder),
        "validation",
        slice_=pipeline.Slice(4),
        augmentations=[RandomCropFlip(image_size=227)],
        seed=0,
        epochs=2,
        check_contents=check_contents,
    )


@pytest.fixture
def damaged(tiny_data: Callable[..., Path], tmp_path: Path) -> Callable[[str], Path]:
    """A data set whose last shard has the damage of that name."""

    def damaged(name: str) -> Path:
        folder = shutil.copytree(tiny_data({"validation": 7}, shards=2), tmp_path / "data")
        shard = schema.read_manifest(folder).split("validation").shards[-1]
        path = folder / shard.file
        path.write_bytes(DAMAGES[name][0](path.read_bytes(), shard.examples))
        return folder

    return damaged


@pytest.mark.parametrize("read", [evaluation, training])
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_ends_a_command_with_code_4_and_one_line(
    damaged: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    read: Callable[[Path], tf.data.Dataset],
) -> None:
    folder = damaged(name)

    @tf.function
    def step(iterator: Any) -> Any:
        return next(iterator)["ids"]

    def main(config: NoFlags) -> dict[str, Any]:
        iterator = iter(read(folder))
        for _ in range(pipeline.steps_per_epoch(7, 4)):
            step(iterator)
        return {}

    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit) as stopped:
        cli.run_main(main, NoFlags)
    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (IntegrityError.exit_code, "")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("error: damaged records: ")
    assert DAMAGES[name][1] in err
    assert "rebuild the data set" in err


def test_a_shard_that_is_gone_ends_a_command_with_code_4(
    damaged: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = damaged("empty")
    gone = schema.read_manifest(folder).split("validation").shards[-1].file
    (folder / gone).unlink()

    def main(config: NoFlags) -> dict[str, Any]:
        return {"batches": len(list(evaluation(folder)))}

    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit) as stopped:
        cli.run_main(main, NoFlags)
    assert stopped.value.code == IntegrityError.exit_code
    assert gone in capsys.readouterr().err


def with_contents(folder: Path, changes: dict[int, Callable[[schema.Example], bytes]]) -> None:
    """Puts other records at these places of the last shard, each with right checksums."""
    path = folder / schema.read_manifest(folder).split("validation").shards[-1].file
    rest, framed = path.read_bytes(), b""
    for number in range(len(rest)):
        one = content_of_one(rest)
        if not one:
            break
        rest = rest[len(one) :]
        change = changes.get(number)
        example = schema.deserialize(one[12:-4])
        framed += one if change is None else schema.frame(change(example))
    path.write_bytes(framed)


def rows(batches: tf.data.Dataset) -> dict[str, np.ndarray]:
    found = list(batches.as_numpy_iterator())
    return {name: np.concatenate([batch[name] for batch in found]) for name in found[0]}


@pytest.mark.parametrize("read", [evaluation, training])
@pytest.mark.parametrize("kind", CONTENTS)
def test_an_unusable_record_is_marked_and_nothing_else_changes(
    tiny_data: Callable[..., Path], tmp_path: Path, kind: str, read: Callable[..., tf.data.Dataset]
) -> None:
    sound = tiny_data({"validation": 7}, shards=2)
    folder = shutil.copytree(sound, tmp_path / "data")
    shards = schema.read_manifest(folder).split("validation").shards
    with_contents(folder, {1: CONTENTS[kind]})
    number = shards[0].examples + 1
    before, after = rows(read(sound)), rows(read(folder))
    bad = after["ids"] == -2 - number
    assert bad.sum() == (before["ids"] == number).sum() > 0
    np.testing.assert_array_equal(before["ids"] == number, bad)
    assert order.bad_examples(after["ids"]) == [number]
    assert not after["images"][bad].any()
    assert not after["labels"][bad].any()
    assert not after["weights"][bad].any()
    # The record that fills the last batch may be the bad one too: it stays padding, of weight 0.
    real = ~bad & (after["ids"] >= 0)
    for name, values in before.items():
        np.testing.assert_array_equal(values[real], after[name][real], err_msg=name)
        assert values.dtype == after[name].dtype
    np.testing.assert_array_equal(before["ids"] == -1, after["ids"] == -1)
    assert not after["weights"][after["ids"] < 0].any()


def test_records_that_are_all_unusable_are_all_marked(
    tiny_data: Callable[..., Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_data({"validation": 7}, shards=1), tmp_path / "data")
    with_contents(folder, dict.fromkeys(range(7), CONTENTS["no picture"]))
    for read, times in ((evaluation, 1), (training, 2)):
        found = rows(read(folder))
        assert sorted(found["ids"][found["ids"] < -1]) == sorted([*range(-8, -1)] * times)
        assert order.bad_examples(found["ids"]) == list(range(7))
        assert not found["weights"].any()


@pytest.mark.parametrize("read", [evaluation, training])
def test_a_shard_that_is_another_one_is_never_read_where_contents_are_checked(
    tiny_data: Callable[..., Path], tmp_path: Path, read: Callable[..., tf.data.Dataset]
) -> None:
    sound = tiny_data({"validation": 7}, shards=1)
    assert len(rows(read(sound, check_contents=True))["ids"]) % 8 == 0
    folder = shutil.copytree(sound, tmp_path / "data")
    path = folder / schema.read_manifest(folder).split("validation").shards[0].file
    first = content_of_one(path.read_bytes())
    rows(read(folder, check_contents=True))  # remembered as sound, until the file changes
    path.write_bytes(path.read_bytes()[len(first) :] + first)
    assert len(rows(read(folder))["ids"]) % 8 == 0, "tf.data sees nothing wrong with it"
    with pytest.raises(tf.errors.OpError, match="differs from what its manifest describes"):
        rows(read(folder, check_contents=True))
