"""Checkpoints of plain variables, each a folder that appears whole or not at all.

A checkpoint holds the variables in TensorFlow's format under the prefix `variables` and, in
`about.json`, what they belong to: model, classes, statistics, progress, fingerprints. Its folder is
written under another name, flushed to disk and renamed, so a name that exists is complete.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catdog import files
from catdog.errors import IntegrityError, MismatchError, UsageError

SCHEMA_VERSION = 1

_PREFIX = "variables"
_ABOUT = "about.json"
_PARTIAL = ".partial"
_NEEDED = ("shapes", "config", "model", "class_names", "preparation", "data_fingerprint")


def _flush(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _shapes(variables: Mapping[str, Any]) -> dict[str, list[int]]:
    return {name: list(variable.shape) for name, variable in sorted(variables.items())}


def save(
    folder: Path,
    kind: str,
    number: int,
    variables: Mapping[str, Any],
    about: Mapping[str, Any],
    *,
    keep: int,
) -> Path:
    """The path of a new checkpoint `folder`/`kind`-`number`; older ones but `keep` are removed.

    Args:
      folder: where checkpoints live; made if missing.
      kind: "last" or "best".
      number: grows with time, such as the epochs done.
      variables: {name: tf.Variable}.
      about: what else to keep, as JSON.
      keep: how many of this kind stay.
    """
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{kind}-{number:06d}"
    partial = folder / (final.name + _PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        tf.train.Checkpoint(variables=dict(variables)).write(str(partial / _PREFIX))
        content = {"checkpoint_version": SCHEMA_VERSION, "shapes": _shapes(variables), **about}
        text = json.dumps(content, indent=1, allow_nan=False)
        (partial / _ABOUT).write_text(text + "\n", encoding="utf-8")
        _flush(partial)
        if final.exists():
            _remove(final)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    files.sync_folder(folder)
    for old in of_kind(folder, kind)[:-keep]:
        _remove(old)
    return final


def _remove(checkpoint: Path) -> None:
    """Removes a checkpoint; its name is gone first, so that no name is ever incomplete."""
    old = checkpoint.with_name(f"{checkpoint.name}.old{_PARTIAL}")
    shutil.rmtree(old, ignore_errors=True)
    checkpoint.rename(old)
    shutil.rmtree(old)


def of_kind(folder: Path, kind: str) -> list[Path]:
    """The complete checkpoints of a kind, oldest first."""
    found = (path for path in folder.glob(f"{kind}-*") if path.name[len(kind) + 1 :].isdecimal())
    return sorted(found, key=lambda path: int(path.name[len(kind) + 1 :]))


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


def read_about(path: Path) -> dict[str, Any]:
    """What the checkpoint at `path` belongs to.

    Raises:
      IntegrityError: the file is missing or no JSON.
      MismatchError: it was written by a newer version.
    """
    try:
        about = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
        version = int(about["checkpoint_version"])
        for name in _NEEDED if version <= SCHEMA_VERSION else ():
            about[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"the checkpoint {path} is damaged ({error}); use an older one"
        ) from None
    if version > SCHEMA_VERSION:
        raise MismatchError(
            f"the checkpoint {path} has version {version}, this catdog reads up to "
            f"{SCHEMA_VERSION}; use a newer one"
        )
    return about


def restore(path: Path, variables: Mapping[str, Any]) -> None:
    """Fills `variables` from the checkpoint at `path`; others that it holds are passed over.

    Raises:
      MismatchError: a variable is missing or has another shape; the message names the first.
      IntegrityError: the data cannot be read.
    """
    import tensorflow as tf

    saved = read_about(path)["shapes"]
    for name, shape in _shapes(variables).items():
        if saved.get(name) != shape:
            raise MismatchError(
                f"the checkpoint {path} does not fit this model: {name} has shape "
                f"{saved.get(name, 'missing')} there and {shape} here; use the settings of its run"
            )
    try:
        status = tf.train.Checkpoint(variables=dict(variables)).read(str(path / _PREFIX))
        status.assert_existing_objects_matched()
        status.expect_partial()
    except (tf.errors.OpError, AssertionError, ValueError, IndexError, RuntimeError) as error:
        # The reader of the file raises what its C++ status maps to; a cut file is an IndexError.
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise IntegrityError(
            f"the checkpoint {path} is damaged ({first}); use an older one"
        ) from None
