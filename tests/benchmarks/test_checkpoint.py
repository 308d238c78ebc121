"""The benchmark of saves runs on a real, if tiny, data set."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def test_it_tells_what_a_save_adds(repository: Path, tiny_data: Any) -> None:
    flags = [f"--data_dir={tiny_data({'train': 40, 'validation': 8})}", "--batch_size=4"]
    flags += ["--model_option=width=0.02", "--rounds=1", "--steps=2"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.checkpoint", *flags],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    # Weights and velocity, 4 bytes each, beside the description.
    assert result["checkpoint_mb"] > 0.1
    assert 0 <= result["longest_pause"] < 60
    assert "round 1 of 1" in done.stderr
