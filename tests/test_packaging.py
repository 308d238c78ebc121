"""The wheel is whole: it carries both packages, and the tests pass on it away from the repository.

The wheel is installed beside the packages that are already here; nothing is fetched.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.repository

# A test that mentions one of these needs TensorFlow, other processes or the real pictures: minutes,
# for what its run on the source has shown. The rest shows that the wheel lacks no file.
TOO_SLOW = re.compile(
    r"tensorflow|keras|two_devices|subprocess|multiprocessing|real_data|run_benchmark|"
    r"import .*\b(api|pipeline|checkpoints|parts|learning_card)\b"
)


def _project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project: dict[str, Any] = tomllib.load(file)["project"]
    return project


def _run(*command: str | Path, cwd: Path, python_path: Path | None = None) -> str:
    """What the command printed; fails with it when the command fails."""
    # This run's coverage and pytest settings are about the source, not about the wheel.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COV", "PYTEST", "CATDOG", "PYTHONPATH"))
    }
    if python_path is not None:
        environment["PYTHONPATH"] = str(python_path)
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what the repository holds now."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir")
    _run(*build, folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed in it, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    _run(*pip, "--target", folder, wheel, cwd=folder)
    return folder


def test_wheel_holds_every_module_both_type_marks_and_the_licence(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    packages = [ROOT / "catdog", ROOT / "data_tools"]
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in held if ".dist-info/" not in name} == sources
    assert {"catdog/py.typed", "data_tools/py.typed"} <= held
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)


def test_tests_pass_on_the_installed_wheel_from_a_temporary_folder(
    installed: Path, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "tests", tmp_path / "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    where = "import catdog, data_tools; print(catdog.__file__, data_tools.__file__, sep='\\n')"
    for file in _run(sys.executable, "-c", where, cwd=tmp_path, python_path=installed).split():
        assert Path(file).is_relative_to(installed), file
    files = [
        path.relative_to(tmp_path)
        for path in sorted((tmp_path / "tests").rglob("*/test_*.py"))
        if not TOO_SLOW.search(path.read_text(encoding="utf-8"))
    ]
    assert files
    flags = ["-q", "-p", "no:cacheprovider", "-m", "not repository and not faults"]
    said = _run(sys.executable, "-m", "pytest", *flags, *files, cwd=tmp_path, python_path=installed)
    assert re.search(r"^\d+ passed", said, flags=re.MULTILINE), said


@pytest.mark.parametrize("command", sorted(_project()["scripts"]))
def test_installed_command_answers_help(installed: Path, command: str, tmp_path: Path) -> None:
    said = _run(installed / "bin" / command, "--help", cwd=tmp_path, python_path=installed)
    assert "usage: " in said


def test_requirements_txt_is_the_base_of_pyproject() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = [line for line in lines if line and not line.startswith("#")]
    assert required == _project()["dependencies"]


def test_every_requirement_has_an_upper_bound() -> None:
    project = _project()
    extras = project["optional-dependencies"].values()
    for requirement in [*project["dependencies"], *itertools.chain(*extras)]:
        assert ",<" in requirement, requirement


def test_lock_pins_the_direct_requirements_with_hashes_and_names_no_host_or_folder() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = {}
    for entry in re.split(r"\n(?=[a-z])", text):
        match = re.match(r"([a-z0-9-]+)==", entry)
        if match:
            pinned[match[1]] = entry
    project = _project()
    direct = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for requirement in direct:
        name = re.split(r"[<>=\[]", requirement)[0].lower().replace("_", "-")
        assert name in pinned, f"requirements.lock does not pin {name}: run make lock"
    for name, entry in pinned.items():
        assert "--hash=sha256:" in entry, f"{name} has no hash"
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links| /", text)
