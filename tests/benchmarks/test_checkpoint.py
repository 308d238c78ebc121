"""The benchmark of saves runs on a real, if tiny, data set."""

import json
from pathlib import Path
from typing import Any

from data_tools import api, sample


def test_it_tells_what_a_save_adds(run_benchmark: Any, tmp_path: Path) -> None:
    pictures, data = str(tmp_path / "pictures"), str(tmp_path / "data")
    sample.main(sample.Config(output_dir=pictures, pictures=30, broken=0))
    api.build(api.BuildConfig(source=pictures, output_dir=data))
    flags = [f"--data_dir={data}", "--batch_size=4"]
    flags += ["--model_option=width=0.02", "--rounds=1", "--steps=2"]
    done = run_benchmark("checkpoint", *flags)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    # Weights and velocity, 4 bytes each, beside the description.
    assert result["checkpoint_mb"] > 0.1
    assert 0 <= result["longest_pause"] < 60
    assert "round 1 of 1" in done.stderr
