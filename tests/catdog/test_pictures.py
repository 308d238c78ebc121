"""Paths become pictures: which ones, in which order, under which names."""

import zipfile
from pathlib import Path

import pytest

from catdog import archive, pictures
from catdog.errors import InputError, UsageError


def _tree(folder: Path) -> None:
    for name in ("b.JPG", "a.png", "deep/er/c.webp", "notes.txt", "deep/Thumbs.db"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_folders_and_zips_give_their_pictures_sorted_and_files_come_as_named(
    tmp_path: Path,
) -> None:
    folder, packed = tmp_path / "f", tmp_path / "z.zip"
    _tree(folder)
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(folder.rglob("*.*"), reverse=True):
            file.write(path, path.relative_to(folder))
    single = folder / "notes.txt"
    with pictures.open_pictures([str(packed), str(single), str(folder)]) as named:
        found = [(name, read()) for name, read in named]
    assert found == [
        (f"{packed}/a.png", b"a.png"),
        (f"{packed}/b.JPG", b"b.JPG"),
        (f"{packed}/deep/er/c.webp", b"deep/er/c.webp"),
        (str(single), b"notes.txt"),
        (f"{folder}/a.png", b"a.png"),
        (f"{folder}/b.JPG", b"b.JPG"),
        (f"{folder}/deep/er/c.webp", b"deep/er/c.webp"),
    ]


def test_members_can_be_read_after_the_zip_was_listed(tmp_path: Path) -> None:
    packed = tmp_path / "z.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(5):
            file.writestr(f"{number}.png", bytes([number]) * 1000)
    with pictures.open_pictures([str(packed)]) as named:
        readers = [read for _, read in named]
        assert [read()[0] for read in reversed(readers)] == [4, 3, 2, 1, 0]


def test_a_file_that_cannot_be_read_is_told_when_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone.png").write_bytes(b"x")
    (tmp_path / "large.png").write_bytes(b"xx")
    monkeypatch.setattr(archive, "READ_LIMIT", 1)
    with pictures.open_pictures([str(tmp_path)]) as named:
        gone, large = [read for _, read in named]
        (tmp_path / "gone.png").unlink()
        with pytest.raises(InputError, match="cannot be read: No such file"):
            gone()
        with pytest.raises(InputError, match="larger than 1 bytes"):
            large()


def test_a_broken_zip_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with (
        pictures.open_pictures([str(tmp_path / "a.zip")]) as named,
        pytest.raises(InputError, match="not a zip that can be read"),
    ):
        next(named)


def test_paths_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    pictures.check_paths([str(tmp_path)])
    with pytest.raises(UsageError, match="no pictures named"):
        pictures.check_paths([])
    with pytest.raises(UsageError, match=r"there is no file or folder 'nowhere\.jpg'"):
        pictures.check_paths([str(tmp_path), "nowhere.jpg"])
