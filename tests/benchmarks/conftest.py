"""Benchmarks as their users start them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_benchmark(repository: Path) -> Run:
    """`run_benchmark(name, *flags)`: the ended process, with what it printed."""

    def run(name: str, *flags: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", f"benchmarks.{name}", *flags]
        return subprocess.run(command, cwd=repository, capture_output=True, text=True)

    return run
