"""What a run writes while it goes: one line a step in metrics.jsonl, one an epoch in summary.csv.

summary.csv is rewritten whole from the epochs' records, and metrics.jsonl is cut to the steps that
the checkpoint knows before a resumed run goes on: each has every step and epoch once. The losses of
an epoch's examples are an array of their own, losses/epoch-000001.npy.
"""

import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catdog import files

Record = dict[str, Any]


class Journal:
    """The journal of the run in `model_dir`.

    Args:
      model_dir: the run's folder.
      start_step: steps from here on are dropped from metrics.jsonl, they will come again.
    """

    def __init__(self, model_dir: Path, *, start_step: int) -> None:
        self._model_dir = model_dir
        self._summary = model_dir / "summary.csv"
        self._metrics = model_dir / "metrics.jsonl"
        with files.whole_file(self._metrics) as kept:
            for record in self.steps():
                if record["step"] < start_step:
                    kept.write(_line(record).encode())

    def steps(self) -> Iterator[Record]:
        """The records of the steps so far, read one by one: a long run has very many."""
        if not self._metrics.exists():
            return
        with self._metrics.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                # A line that was cut off, or that a power cut filled with zeros, belongs to a
                # step that is not in the checkpoint.
                record = _read(line)
                if record is not None:
                    yield record

    def write_steps(self, records: Sequence[Record]) -> None:
        """Appends a line of JSON for each record."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write("".join(map(_line, records)))

    def sync(self) -> None:
        """Nothing, when the steps so far are on the disk."""
        with self._metrics.open("rb") as file:
            os.fsync(file.fileno())

    def write_losses(self, epoch: int, losses: NDArray[np.float16]) -> None:
        """Writes the loss of each training example in an epoch: float16 [N], NaN if it had none.

        It is the cross-entropy as it was trained: of the augmented picture, with dropout, label
        smoothing and mixing. Row i is example number i, in the order of the split's shards.
        """
        content = io.BytesIO()
        np.save(content, losses, allow_pickle=False)
        folder = self._model_dir / "losses"
        folder.mkdir(exist_ok=True)
        files.write_whole(folder / f"epoch-{epoch:06d}.npy", content.getvalue())

    def write_not_finite(
        self, step: int, learning_rate: float, cross_entropy: float, pictures: Sequence[Record]
    ) -> Path:
        """Writes not_finite.json: the step that ended the run, and the pictures it was about."""
        path = self._model_dir / "not_finite.json"
        about: Record = {"step": step, "learning_rate": learning_rate}
        about["cross_entropy"] = _as_json(cross_entropy)
        told = [{**picture, "loss": _as_json(picture["loss"])} for picture in pictures]
        files.write_json(path, about | {"pictures": told})
        return path

    def write_epochs(self, records: Sequence[Record]) -> None:
        """Replaces summary.csv: a header and a row for each epoch; what one has not is empty."""
        header = max(map(list, records), key=len)
        rows = [[_short(record.get(name)) for name in header] for record in records]
        files.write_whole(self._summary, files.csv_text(header, rows))


def _line(record: Record) -> str:
    return json.dumps(record, allow_nan=False) + "\n"


def _read(line: str) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "step" in record else None


def _as_json(number: float) -> float | str:
    """The number; JSON has no word for NaN and infinity, so they are text."""
    return number if math.isfinite(number) else str(number)


def _short(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
