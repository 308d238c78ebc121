"""What a run writes while it goes: one line a step in metrics.jsonl, one an epoch in summary.csv.

summary.csv is rewritten whole from the epochs' records, and metrics.jsonl is cut to the steps that
the checkpoint knows before a resumed run goes on: each has every step and epoch once.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catdog import files

Record = dict[str, Any]


class Journal:
    """The journal of the run in `model_dir`.

    Args:
      model_dir: the run's folder.
      start_step: steps from here on are dropped from metrics.jsonl, they will come again.
    """

    def __init__(self, model_dir: Path, *, start_step: int) -> None:
        self._summary = model_dir / "summary.csv"
        self._metrics = model_dir / "metrics.jsonl"
        kept = []
        if self._metrics.exists():
            for line in self._metrics.read_text(encoding="utf-8").splitlines():
                # A line that was cut off belongs to a step that is not in the checkpoint.
                if line.endswith("}") and json.loads(line)["step"] < start_step:
                    kept.append(line + "\n")
        files.write_whole(self._metrics, "".join(kept))

    def write_steps(self, records: Sequence[Record]) -> None:
        """Appends a line of JSON for each record."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(record, allow_nan=False) + "\n" for record in records))

    def write_epochs(self, records: Sequence[Record]) -> None:
        """Replaces summary.csv: a header and a row for each epoch."""
        header = list(records[0])
        rows = [[_short(record[name]) for name in header] for record in records]
        files.write_whole(self._summary, files.csv_text(header, rows))


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
