"""Training stops at damaged records and names them; it never trains on fewer in silence."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog import api, schema
from catdog.errors import IntegrityError

DATA = {"train": 12, "validation": 4}


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Trains the smallest AlexNet for two epochs of three steps."""

    def train(data_dir: Path, **settings: Any) -> dict[str, Any]:
        config = api.TrainConfig(
            data_dir=str(data_dir),
            model_dir=str(tmp_path / "model"),
            model_option=("width=0.02",),
            batch_size=4,
            epochs=2,
            final_views="center",
            **settings,
        )
        return api.train(config)

    return train


def test_damage_stops_training_with_its_place(
    tiny_data: Callable[..., Path],
    tmp_path: Path,
    shard_damages: dict[str, Any],
    train: Callable[..., Any],
    damage_kind: str,
    frames_of: Any,
) -> None:
    folder = shutil.copytree(tiny_data(DATA, shards=2), tmp_path / "data")
    other = tiny_data({"train": 11}, shards=1)
    (other_shard,) = schema.read_manifest(other).split("train").shards
    shard = max(schema.read_manifest(folder).split("train").shards, key=lambda one: one.examples)
    path = folder / shard.file
    others = frames_of((other / other_shard.file).read_bytes())
    content = shard_damages[damage_kind].change(frames_of(path.read_bytes()), others)
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(IntegrityError, match=shard.file) as raised:
        train(folder)
    assert len(str(raised.value).splitlines()) == 1
    number = shard_damages[damage_kind].record(shard.examples)
    same_size = content is not None and len(content) == shard.bytes
    # Another size is noticed before any record is read.
    if same_size and damage_kind not in ("two records swapped", "another build's shard"):
        assert f"record {number}" in str(raised.value)


@pytest.fixture
def broken(
    tiny_data: Callable[..., Path], tmp_path: Path, shard_damages: dict[str, Any], frames_of: Any
) -> tuple[Path, str, int]:
    """A data set, a shard of it whose record 2 is of no class, and that example's number."""
    folder = shutil.copytree(tiny_data(DATA, shards=2), tmp_path / "data")
    shards = schema.read_manifest(folder).split("train").shards
    shard = max(shards, key=lambda one: one.examples)
    path = folder / shard.file
    path.write_bytes(
        shard_damages["a label that is no class"].change(frames_of(path.read_bytes()), [])
    )
    return folder, shard.file, 2 + sum(one.examples for one in shards[: shards.index(shard)])


def test_a_bad_record_may_be_skipped_and_is_told(
    broken: tuple[Path, str, int],
    tmp_path: Path,
    train: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, file, number = broken
    train(folder, max_bad_records=1)
    said = capsys.readouterr().err
    assert said.count("warning: skipping") == 1
    assert f"warning: skipping {file}, record 2" in said
    lines = (tmp_path / "model" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["examples"] for line in lines].count(3) == 2  # one of 4, each epoch
    for epoch in (1, 2):
        losses = np.load(tmp_path / "model" / "losses" / f"epoch-{epoch:06d}.npy")
        assert np.flatnonzero(np.isnan(losses)).tolist() == [number]


def test_more_bad_records_than_allowed_stop_training(
    broken: tuple[Path, str, int], train: Callable[..., Any], frames_of: Any
) -> None:
    folder, file, number = broken
    frames = frames_of((folder / file).read_bytes())
    example = dataclasses.replace(schema.deserialize(frames[1][12:-4]), label=9)
    frames[1] = schema.frame(schema.serialize(example))
    (folder / file).write_bytes(b"".join(frames))
    with pytest.raises(IntegrityError, match=r"--max_bad_records=1 is how many"):
        train(folder, max_bad_records=1)
