"""Whatever is wrong with the records, a command stops with the integrity code and one line."""

import dataclasses
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from PIL import Image

from catdog import cli, schema
from catdog.augmentations.random_crop_flip import RandomCropFlip
from catdog.data import pipeline
from catdog.errors import IntegrityError


@dataclasses.dataclass(frozen=True)
class NoFlags:
    """A command without flags."""


def jpeg(side: int) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (side, side), (40, 80, 160)).save(encoded, "JPEG")
    return encoded.getvalue()


def framed(encoded: bytes) -> Callable[[bytes, int], bytes]:
    """Damage that replaces all records by sound ones with `encoded` as their picture."""
    record = schema.serialize(schema.Example(encoded, 256, 256, 1, "dog", "a", "0" * 64))
    return lambda content, count: schema.frame(record) * count


# (what a shard of `count` records becomes, a piece of the line that the user sees)
DAMAGES: dict[str, tuple[Callable[[bytes, int], bytes], str]] = {
    "a record more": (lambda content, count: content + content_of_one(content), "counted"),
    "records twice": (lambda content, count: content * 2, "counted"),
    "a record less": (lambda content, count: content[len(content_of_one(content)) :], "counted"),
    "empty": (lambda content, count: b"", "found"),
    "a flipped bit": (lambda content, count: content[:500] + b"\0" + content[501:], "corrupted"),
    "cut": (lambda content, count: content[:-7], "truncated"),
    "no example": (lambda content, count: schema.frame(b"hello") * count, "parse"),
    "no features": (lambda content, count: schema.frame(b"") * count, "required"),
    "no picture": (framed(b"hello"), "image file format"),
    "a cut picture": (framed(jpeg(256)[:-400]), "Invalid JPEG data"),
    "a small picture": (framed(jpeg(100)), ""),
}


def content_of_one(content: bytes) -> bytes:
    """The first framed record: 8 bytes of length, 4 of checksum, the record, 4 of checksum."""
    return content[: 16 + int.from_bytes(content[:8], "little")]


def evaluation(folder: Path) -> tf.data.Dataset:
    return pipeline.eval_dataset(
        folder, schema.read_manifest(folder), "validation", slice_=pipeline.Slice(4)
    )


def training(folder: Path) -> tf.data.Dataset:
    return pipeline.train_dataset(
        folder,
        schema.read_manifest(folder),
        "validation",
        slice_=pipeline.Slice(4),
        augmentations=[RandomCropFlip(image_size=227)],
        seed=0,
        epochs=1,
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
