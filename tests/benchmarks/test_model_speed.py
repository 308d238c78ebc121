"""The benchmark of models can be asked what it does."""

import subprocess
import sys
from pathlib import Path


def test_help_names_the_flags_and_what_is_measured(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.model_speed", "--help"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Pictures a second that models train" in done.stdout
    for flag in ("--models", "--width", "--batch_size", "--rounds"):
        assert flag in done.stdout


def test_an_empty_list_of_models_is_a_users_mistake(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.model_speed", "--models="],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--models needs at least one entry" in done.stderr
