"""The same small tree twice: as a folder and as a zip of that folder."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

MakeTree = Callable[[dict[str, bytes]], dict[str, str]]


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """A function from {name: bytes} to {"folder": path, "zip": path}."""

    def make(files: dict[str, bytes]) -> dict[str, str]:
        folder = tmp_path / "tree"
        with zipfile.ZipFile(tmp_path / "tree.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                archive.write(path, name)
        return {"folder": str(folder), "zip": str(tmp_path / "tree.zip")}

    return make
