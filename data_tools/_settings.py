"""How a data set was made, as its manifest tells it: settings, and the command to make it again."""

import csv
import dataclasses
import io
import shlex
from collections.abc import Sequence
from typing import Any

from catdog import schema
from data_tools.config import BuildConfig

_OUTPUT, _OTHERS = "DATA_DIR", "DATA_SETS"


def settings(manifest: schema.Manifest) -> dict[str, str]:
    """{name: value}: source, preparation, what chose the pictures, libraries; in a fixed order."""
    found = {"class_names": ", ".join(manifest.class_names)}
    for part in ("source", "preparation", "build", "libraries"):
        for name, value in getattr(manifest, part).items():
            found[f"{part}.{name}"] = _as_text(value)
    return found


def _as_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _listed(values: Sequence[Any]) -> str:
    """The values as a list flag takes them: with commas between, quoted where one has a comma."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(values)
    return stream.getvalue()


def rebuild_command(manifest: schema.Manifest) -> str:
    """The command that makes the data set again from its source; DATA_DIR is the folder to make.

    The source is called by its last name: where it lies is not in a data set. DATA_SETS stands for
    the folders of the data sets whose pictures were left out.
    """
    values: dict[str, str] = {
        "source": str(manifest.source.get("name", "")),
        "layout": str(manifest.source.get("layout", "auto")),
        "output_dir": _OUTPUT,
        "classes": _listed(manifest.class_names),
    }
    for name, value in (manifest.build | manifest.preparation).items():
        if name == "exclude_duplicates_of":
            values[name] = _OTHERS
        else:
            values[name] = _listed(value) if isinstance(value, list | tuple) else str(value)
    values["num_shards"] = _listed(
        [f"{split.name}={len(split.shards)}" for split in manifest.splits.values()]
    )
    known = {field.name for field in dataclasses.fields(BuildConfig)}
    flags = [f"--{name}={value}" for name, value in values.items() if name in known]
    return " \\\n  ".join(
        ["python -m data_tools.build_tfrecords", *(shlex.quote(flag) for flag in flags)]
    )
