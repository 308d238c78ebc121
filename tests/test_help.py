"""Every command says what it does, at once: TensorFlow and the plotting wait until they work."""

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SLOW = ("tensorflow", "keras", "tensorflow_datasets", "matplotlib")

# Runs a module as `python -m` does, then tells on stderr which slow packages it imported.
PROBE = f"""
import runpy, sys
module = sys.argv.pop(1)
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    print("imported:", *(set({SLOW!r}) & set(sys.modules)), file=sys.stderr)
"""

pytestmark = pytest.mark.repository


def _has_main_guard(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in tree.body
    )


def _mains() -> list[str]:
    """The modules that `python -m` runs, as dotted names."""
    files = [path for name in ("catdog", "data_tools") for path in (ROOT / name).rglob("*.py")]
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files
        if _has_main_guard(path)
    )


def _scripts() -> dict[str, str]:
    """The console scripts, command -> "module:function"."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        scripts: dict[str, str] = tomllib.load(file)["project"]["scripts"]
    return scripts


def test_every_main_is_a_console_script_and_every_script_a_main() -> None:
    assert sorted(_scripts().values()) == [f"{main}:run" for main in _mains()]


@pytest.mark.parametrize("main", _mains())
def test_help_exits_0_and_imports_nothing_slow(main: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, main, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["imported:"]
    assert f"python -m {main}" in done.stdout
    doc = importlib.import_module(main).__doc__ or ""
    assert doc.strip().splitlines()[0] in done.stdout, "the help starts with the module's docstring"


@pytest.mark.parametrize("command", sorted(_scripts()))
def test_console_script_names_a_function(command: str) -> None:
    module, _, function = _scripts()[command].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
