"""Checkpoints of plain variables, each a folder that appears whole or not at all.

A checkpoint holds the variables in TensorFlow's format under the prefix `variables`, arrays that
are no variables as NAME.npy, in `about.json` what they belong to (model, classes, statistics,
progress, fingerprints) and in `commit.json` the size and sha256 of each of these files. Its folder
is written under another name, flushed to disk and renamed, so a name that exists is complete; what
happens to its files later is found when they are read.

Version 1 had no `commit.json`, and numbered its "last" ones by epochs instead of steps.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catdog import files
from catdog.errors import IntegrityError, MismatchError, UsageError

SCHEMA_VERSION = 2

_PREFIX = "variables"
_ABOUT = "about.json"
_COMMIT = "commit.json"
_PARTIAL = ".partial"
_NEEDED = ("shapes", "config", "model", "class_names", "preparation", "data_fingerprint")


def _flush(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def _shapes(variables: Mapping[str, Any]) -> dict[str, list[int]]:
    return {name: list(variable.shape) for name, variable in sorted(variables.items())}


def _write_variables(folder: Path, variables: Mapping[str, Any]) -> None:
    import tensorflow as tf

    tf.train.Checkpoint(variables=dict(variables)).write(str(folder / _PREFIX))
    # On a full disk the writer may report success and leave less than it was given.
    wanted = sum(int(np.prod(v.shape)) * v.dtype.size for v in variables.values())
    written = sum(path.stat().st_size for path in folder.glob(f"{_PREFIX}.data-*"))
    if written < wanted:
        raise OSError(errno.ENOSPC, f"{written} of {wanted} bytes were written", str(folder))


def save(
    folder: Path,
    kind: str,
    number: int,
    variables: Mapping[str, Any],
    about: Mapping[str, Any],
    *,
    keep: int,
    arrays: Mapping[str, NDArray[Any]] | None = None,
) -> Path:
    """The path of a new checkpoint `folder`/`kind`-`number`; older ones but `keep` are removed.

    Args:
      folder: where checkpoints live; made if missing.
      kind: "last" or "best".
      number: grows with time: of "last" ones the steps, of "best" ones the epochs that were done.
      variables: {name: tf.Variable}.
      about: what else to keep, as JSON.
      keep: how many of this kind stay.
      arrays: {name: array} of what is no variable, for `read_array`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{kind}-{number:06d}"
    partial = folder / (final.name + _PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        _write_variables(partial, variables)
        for name, array in (arrays or {}).items():
            np.save(partial / f"{name}.npy", array, allow_pickle=False)
        content = {"checkpoint_version": SCHEMA_VERSION, "shapes": _shapes(variables), **about}
        text = json.dumps(content, indent=1, allow_nan=False)
        (partial / _ABOUT).write_text(text + "\n", encoding="utf-8")
        commit = {path.name: _digest(path) for path in sorted(partial.iterdir())}
        (partial / _COMMIT).write_text(json.dumps(commit, indent=1) + "\n", encoding="utf-8")
        _flush(partial)
        if final.exists():
            _remove(final)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    files.sync_folder(folder)
    prune(folder, kind, keep=keep)
    return final


def prune(folder: Path, kind: str, *, keep: int) -> None:
    """Removes all checkpoints of a kind but the newest `keep`."""
    for old in of_kind(folder, kind)[:-keep]:
        _remove(old)


def prune_best(folder: Path) -> None:
    """Removes the best checkpoints that no "last" one knows any more.

    The older of the two last ones may be what a run has to go on from, and its best with it.
    """
    try:
        states = [read_about(path)["progress"] for path in of_kind(folder, "last")]
    except (IntegrityError, MismatchError):
        return  # whoever goes on from here will see; no reason to stop a training for
    known = min((state["best_epoch"] for state in states), default=0)
    for path in of_kind(folder, "best")[:-1]:
        if number_of(path) < known:
            _remove(path)


def remove_newer(folder: Path, kind: str, number: int) -> None:
    """Removes the checkpoints of a kind that have a higher number."""
    for path in of_kind(folder, kind):
        if number_of(path) > number:
            _remove(path)


def remove_unfinished(folder: Path) -> None:
    """Removes what a killed process left half-written or half-removed."""
    for path in folder.glob(f"*{_PARTIAL}"):
        shutil.rmtree(path, ignore_errors=True)


def _remove(checkpoint: Path) -> None:
    """Removes a checkpoint; its name is gone first, so that no name is ever incomplete."""
    old = checkpoint.with_name(f"{checkpoint.name}.old{_PARTIAL}")
    shutil.rmtree(old, ignore_errors=True)
    checkpoint.rename(old)
    shutil.rmtree(old)


def of_kind(folder: Path, kind: str) -> list[Path]:
    """The complete checkpoints of a kind, oldest first."""
    found = (path for path in folder.glob(f"{kind}-*") if path.name[len(kind) + 1 :].isdecimal())
    return sorted(found, key=number_of)


def number_of(path: Path) -> int:
    """The number in a checkpoint's name."""
    return int(path.name.rpartition("-")[2])


def find(model_dir: Path, which: str) -> Path:
    """The checkpoint that `which` names: "best", "last" or a path.

    Raises:
      UsageError: there is none.
    """
    if which in ("best", "last"):
        found = of_kind(model_dir / "checkpoints", which)
        if not found:
            raise UsageError(
                f"{model_dir} has no {which} checkpoint; train there first with "
                "python -m catdog.train"
            )
        return found[-1]
    path = Path(which)
    if not (path / _ABOUT).is_file():
        raise UsageError(
            f"--checkpoint must be best, last or a checkpoint's folder, received {which!r}"
        )
    return path


def _damaged(path: Path, reason: object) -> IntegrityError:
    return IntegrityError(f"the checkpoint {path} is damaged ({reason}); use an older one")


def _check_commit(path: Path, version: int, names: set[str] | None = None) -> None:
    """Nothing, when the files (all of them, or those named) are what was committed."""
    if version < 2:
        return
    try:
        commit = json.loads((path / _COMMIT).read_text(encoding="utf-8"))
        wanted = {name: commit[name] for name in names or commit}
        for name, digest in wanted.items():
            if _digest(path / name) != digest:
                raise _damaged(path, f"{name} is not what was saved")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from None


def read_about(path: Path) -> dict[str, Any]:
    """What the checkpoint at `path` belongs to.

    Raises:
      IntegrityError: the file is missing, changed or no JSON.
      MismatchError: it was written by a newer version.
    """
    try:
        about = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
        version = int(about["checkpoint_version"])
        for name in _NEEDED if version <= SCHEMA_VERSION else ():
            about[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from None
    _check_commit(path, version, {_ABOUT})
    if version > SCHEMA_VERSION:
        raise MismatchError(
            f"the checkpoint {path} has version {version}, this catdog reads up to "
            f"{SCHEMA_VERSION}; use a newer one"
        )
    return about


def read_array(path: Path, name: str) -> NDArray[Any] | None:
    """The array that was saved under `name`; None where there is none.

    Raises:
      IntegrityError: it cannot be read.
    """
    file = path / f"{name}.npy"
    if not file.exists():
        return None
    try:
        array: NDArray[Any] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, error) from None
    return array


def restore(path: Path, variables: Mapping[str, Any]) -> None:
    """Fills `variables` from the checkpoint at `path`; others that it holds are passed over.

    Raises:
      MismatchError: a variable is missing or has another shape; the message names the first.
      IntegrityError: a file is not what was saved, or cannot be read.
    """
    import tensorflow as tf

    about = read_about(path)
    saved = about["shapes"]
    for name, shape in _shapes(variables).items():
        if saved.get(name) != shape:
            raise MismatchError(
                f"the checkpoint {path} does not fit this model: {name} has shape "
                f"{saved.get(name, 'missing')} there and {shape} here; use the settings of its run"
            )
    _check_commit(path, int(about["checkpoint_version"]))
    try:
        status = tf.train.Checkpoint(variables=dict(variables)).read(str(path / _PREFIX))
        status.assert_existing_objects_matched()
        status.expect_partial()
    except (tf.errors.OpError, AssertionError, ValueError, IndexError, RuntimeError) as error:
        # The reader of the file raises what its C++ status maps to; a cut file is an IndexError.
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _damaged(path, first) from None
