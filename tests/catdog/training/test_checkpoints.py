"""Checkpoints: whole or nothing, equal bit for bit, and refused with a reason otherwise."""

import errno
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import IntegrityError, MismatchError, UsageError
from catdog.training import checkpoints


def _variables(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    values = {
        "weights/conv1/kernel": rng.normal(size=(3, 3, 2, 4)).astype(np.float32),
        "weights/conv1/bias": rng.normal(size=4).astype(np.float32),
        "velocity/conv1/bias": rng.normal(size=4).astype(np.float32),
        "good_steps": np.int64(seed),
    }
    return {name: tf.Variable(value) for name, value in values.items()}


def _save(folder: Path, *, kind: str = "last", number: int = 1, seed: int = 0) -> Path:
    about: dict[str, Any] = {"config": {}, "model": {}, "class_names": [], "preparation": {}}
    about |= {"data_fingerprint": "0", "note": "é"}
    arrays = {"losses": np.zeros(3, np.float16)}
    return checkpoints.save(folder, kind, number, _variables(seed), about, keep=2, arrays=arrays)


def test_restored_variables_are_equal_bit_for_bit(tmp_path: Path) -> None:
    path = _save(tmp_path, seed=3)
    restored = _variables(9)
    checkpoints.restore(path, restored)
    for name, variable in _variables(3).items():
        np.testing.assert_array_equal(restored[name].numpy(), variable.numpy(), err_msg=name)
        assert restored[name].dtype == variable.dtype


def test_a_part_of_the_variables_can_be_restored(tmp_path: Path) -> None:
    path = _save(tmp_path, seed=3)
    part = {"weights/conv1/bias": _variables(9)["weights/conv1/bias"]}
    checkpoints.restore(path, part)
    expected = _variables(3)["weights/conv1/bias"]
    np.testing.assert_array_equal(part["weights/conv1/bias"].numpy(), expected.numpy())


def test_about_comes_back_with_shapes_and_version(tmp_path: Path) -> None:
    about = checkpoints.read_about(_save(tmp_path))
    assert (about["note"], about["checkpoint_version"]) == ("é", 2)
    assert about["shapes"]["weights/conv1/kernel"] == [3, 3, 2, 4]
    assert about["shapes"]["good_steps"] == []


def test_the_newest_of_each_kind_stay_and_best_and_last_are_apart(tmp_path: Path) -> None:
    _save(tmp_path, kind="best", number=2)
    for number in (1, 2, 3, 10):
        _save(tmp_path, number=number)
    names = [path.name for path in checkpoints.of_kind(tmp_path, "last")]
    assert names == ["last-000003", "last-000010"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-000002", *names]


def test_a_folder_that_was_not_finished_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _save(tmp_path / "checkpoints", number=1)

    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_flush", fail)
        with pytest.raises(OSError, match="No space"):
            _save(tmp_path / "checkpoints", number=2)
    assert checkpoints.of_kind(tmp_path / "checkpoints", "last") == [first]
    assert checkpoints.find(tmp_path, "last") == first
    (tmp_path / "checkpoints" / "last-000009.partial").mkdir(exist_ok=True)
    assert checkpoints.find(tmp_path, "last") == first
    second = _save(tmp_path / "checkpoints", number=2, seed=5)
    assert checkpoints.of_kind(tmp_path / "checkpoints", "last") == [first, second]
    restored = _variables(9)
    checkpoints.restore(second, restored)
    assert int(restored["good_steps"]) == 5


def test_arrays_come_back(tmp_path: Path) -> None:
    path = _save(tmp_path)
    found = checkpoints.read_array(path, "losses")
    assert found is not None
    assert (found.dtype, found.tolist()) == (np.float16, [0.0] * 3)
    assert checkpoints.read_array(path, "others") is None


def test_a_cut_write_that_nobody_complained_of_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = tf.train.Checkpoint.write

    def cut(self: Any, prefix: str) -> str:
        path = write(self, prefix)
        data = Path(f"{prefix}.data-00000-of-00001")
        data.write_bytes(data.read_bytes()[:100])
        return str(path)

    monkeypatch.setattr(tf.train.Checkpoint, "write", cut)
    with pytest.raises(OSError, match="100 of 328 bytes") as caught:
        _save(tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_those_of_a_dead_process_and_newer_ones_can_be_removed(tmp_path: Path) -> None:
    for number in (3, 4):
        _save(tmp_path, number=number)
    (tmp_path / "last-000005.partial").mkdir()
    checkpoints.remove_unfinished(tmp_path)
    checkpoints.remove_newer(tmp_path, "last", 3)
    assert [path.name for path in tmp_path.iterdir()] == ["last-000003"]


def test_a_number_saved_again_is_the_newer_one(tmp_path: Path) -> None:
    _save(tmp_path, number=4, seed=1)
    path = _save(tmp_path, number=4, seed=2)
    restored = _variables(9)
    checkpoints.restore(path, restored)
    assert int(restored["good_steps"]) == 2


def test_other_names_in_the_folder_are_no_checkpoints(tmp_path: Path) -> None:
    path = _save(tmp_path)
    shutil.copytree(path, tmp_path / "last-000001 (copy)")
    assert checkpoints.of_kind(tmp_path, "last") == [path]


def test_find_takes_names_and_paths(tmp_path: Path) -> None:
    best = _save(tmp_path / "checkpoints", kind="best", number=7)
    assert checkpoints.find(tmp_path, "best") == best
    assert checkpoints.find(tmp_path, str(best)) == best
    with pytest.raises(UsageError, match=r"no last checkpoint; train there first"):
        checkpoints.find(tmp_path, "last")
    with pytest.raises(UsageError, match=r"must be best, last or a checkpoint's folder"):
        checkpoints.find(tmp_path, str(tmp_path))


def _damage(path: Path, kind: str) -> None:
    data, index = path / "variables.data-00000-of-00001", path / "variables.index"
    about = path / "about.json"
    if kind == "data cut":
        data.write_bytes(data.read_bytes()[:-40])
    elif kind == "bit flipped":
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 1
        data.write_bytes(content)
    elif kind == "data missing":
        data.unlink()
    elif kind == "index empty":
        index.write_bytes(b"")
    elif kind == "index missing":
        index.unlink()
    elif kind == "about cut":
        about.write_text(about.read_text()[:20])
    elif kind == "about missing":
        about.unlink()
    elif kind == "about of another kind":
        about.write_text("[]")
    elif kind == "about edited":
        about.write_text(about.read_text().replace('"note": "', '"note": "x'))
    elif kind == "commit missing":
        (path / "commit.json").unlink()
    elif kind == "commit cut":
        (path / "commit.json").write_text("{")
    elif kind == "array changed":
        np.save(path / "losses.npy", np.ones(3, np.float16))
    elif kind == "array missing":
        (path / "losses.npy").unlink()
    else:
        raise ValueError(kind)


DAMAGES = (
    ["data cut", "bit flipped", "data missing", "index empty", "index missing"]
    + ["about cut", "about missing", "about of another kind", "about edited"]
    + ["commit missing", "commit cut", "array changed", "array missing"]
)  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_and_named(tmp_path: Path, kind: str) -> None:
    path = _save(tmp_path)
    _damage(path, kind)
    with pytest.raises(IntegrityError, match="is damaged") as caught:
        checkpoints.restore(path, _variables(9))
    assert str(path) in str(caught.value)
    assert "use an older one" in str(caught.value)


def test_another_model_is_refused_with_the_variable_that_differs(tmp_path: Path) -> None:
    path = _save(tmp_path)
    other = _variables(9) | {"weights/conv1/bias": tf.Variable(tf.zeros(5))}
    with pytest.raises(MismatchError, match=r"weights/conv1/bias has shape \[4\] there and \[5\]"):
        checkpoints.restore(path, other)
    more = _variables(9) | {"weights/fc9/bias": tf.Variable(tf.zeros(5))}
    with pytest.raises(MismatchError, match="weights/fc9/bias has shape missing there"):
        checkpoints.restore(path, more)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path)
    about = json.loads((path / "about.json").read_text())
    about["checkpoint_version"] = 3
    (path / "about.json").write_text(json.dumps(about))
    with pytest.raises(IntegrityError, match="about.json is not what was saved"):
        checkpoints.restore(path, _variables(9))
    digest = {"bytes": (path / "about.json").stat().st_size}
    digest["sha256"] = hashlib.sha256((path / "about.json").read_bytes()).hexdigest()
    (path / "commit.json").write_text(json.dumps({"about.json": digest}))
    with pytest.raises(MismatchError, match="version 3, this catdog reads up to 2"):
        checkpoints.restore(path, _variables(9))
