"""A build that cannot be is told before the work where that can be, and else its work is kept."""

import dataclasses
import io
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog.errors import InputError, UsageError
from data_tools import build_tfrecords
from data_tools.config import BuildConfig

Build = Callable[..., dict[str, Any]]


def jpeg(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)).save(
        stream, "JPEG"
    )
    return stream.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A build of 22 pictures, two of them broken, in this process; flags may be given."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(22):
        data = jpeg(number)[: -300 if number > 19 else None]
        (folder / f"{('cat', 'dog')[number % 2]}.{number}.jpg").write_bytes(data)

    def run(**changes: Any) -> dict[str, Any]:
        config = BuildConfig(
            source=str(folder), output_dir=str(tmp_path / "data"), image_size=16, workers=1
        )
        return build_tfrecords.main(dataclasses.replace(config, **changes))

    return run


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_shards": ("30",)}, "--num_shards=30 leaves a shard of the split 'train' empty"),
        ({"splits": ("a=20", "b=3")}, "--splits asks for 23 pictures, there are 22"),
        ({"sample_size": 26}, "--sample_size=26 takes 13 pictures of each class"),
        ({"sample_size": 26, "duplicates": "drop"}, "--sample_size=26 takes 13 pictures"),
    ],
)
def test_what_no_picture_can_make_right_is_refused_before_any_is_read(
    build: Build,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    says: str,
) -> None:
    monkeypatch.delattr("data_tools._plan.scanned")
    with pytest.raises((UsageError, InputError), match=says):
        build(**changes)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_what_was_read_is_not_read_again_once_the_flag_is_mended(
    build: Build,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    time.sleep(2.1)  # files that have just changed are read again in any case
    for changes in ({"num_shards": ("19",)}, {"splits": ("a=18", "b=3")}):
        with pytest.raises((UsageError, InputError), match="leaves a shard|there are 20 that can"):
            build(**changes)
        assert sorted(path.name for path in tmp_path.iterdir()) == [".data.partial", "pictures"]
    noted: list[Any] = []
    monkeypatch.setattr("data_tools._state.State.remember", lambda _, scans: noted.extend(scans))
    monkeypatch.setattr("catdog.cli.Meter.__init__.__kwdefaults__", {"every_seconds": 0, "done": 0})
    capsys.readouterr()
    result = build(splits=("a=16", "b=4"), seed=1)
    assert "looking at earlier work, pictures: 1 of 22 (" in capsys.readouterr().err
    assert result["splits"] == {"a": 16, "b": 4} and not noted
    data = contents(tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
    monkeypatch.undo()
    build(splits=("a=16", "b=4"), seed=1)
    assert contents(tmp_path / "data") == data
