"""Paths become pictures: which ones, in which order, under which names."""

import io
import os
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
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match="not a zip that can be read"):
        pictures.check_paths([str(tmp_path), str(tmp_path / "a.zip")])
    pictures.check_paths([str(tmp_path), "-"])


def _names(paths: list[str], lines: bytes) -> list[tuple[str, bytes | str]]:
    """(name, content or what went wrong) of each picture."""
    found: list[tuple[str, bytes | str]] = []
    with pictures.open_pictures(paths, names=io.BytesIO(lines)) as named:
        for name, read in named:
            try:
                found.append((name, read()))
            except InputError as error:
                found.append((name, str(error)))
    return found


def test_a_dash_reads_files_folders_and_zips_from_lines(tmp_path: Path) -> None:
    _tree(tmp_path / "f")
    (tmp_path / "caf\udce9 .png").write_bytes(b"odd")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
        file.writestr("m.png", b"member")
    single = f"{tmp_path}/f/notes.txt"
    lines = f"{tmp_path}/f/deep\n\n  \n{tmp_path}/z.zip\r\n{tmp_path}/caf\udce9 .png"
    assert _names([single, "-", single], os.fsencode(lines)) == [
        (single, b"notes.txt"),
        (f"{tmp_path}/f/deep/er/c.webp", b"deep/er/c.webp"),
        (f"{tmp_path}/z.zip/m.png", b"member"),
        (f"{tmp_path}/caf\udce9 .png", b"odd"),
        (single, b"notes.txt"),
    ]
    pictures.check_paths(["-"])


def test_a_line_that_cannot_be_read_does_not_stop_those_after_it(tmp_path: Path) -> None:
    _tree(tmp_path)
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    lines = f"{tmp_path}/gone.png\n{tmp_path}/bad.zip\n{tmp_path}/a.png\n".encode()
    gone, bad, sound = _names(["-"], lines)
    assert gone == (f"{tmp_path}/gone.png", "there is no such file or folder")
    assert bad[0] == f"{tmp_path}/bad.zip"
    assert "not a zip that can be read" in str(bad[1])
    assert sound == (f"{tmp_path}/a.png", b"a.png")


def test_a_folder_is_read_in_the_order_of_the_parts_of_its_paths(tmp_path: Path) -> None:
    names = ["b/1.png", "b.png", "b-c/1.png", "a/z/1.png", "a/z.png", "Z.png", "a/b/c/d.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a", target_is_directory=True)
    with pictures.open_pictures([str(tmp_path)]) as named:
        found = [name for name, _ in named]
    assert found == [str(tmp_path / name) for name in sorted(names, key=lambda n: n.split("/"))]


def test_a_folder_that_cannot_be_listed_is_told_and_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tree(tmp_path)
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert _names([str(tmp_path)], b"") == [
        (f"{tmp_path}/a.png", b"a.png"),
        (f"{tmp_path}/b.JPG", b"b.JPG"),
        (f"{tmp_path}/deep", "cannot be read: Permission denied"),
    ]


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("in/cat/7.jpg", "cat"),
        ("in/dog.7.jpg", "dog"),
        ("DOG.7.JPG", "dog"),
        ("all.zip/Cat/1.jpg", "cat"),
        ("cat.jpg", "cat"),
        ("cat/cat.1.jpg", "cat"),
        ("cat/dog.1.jpg", ""),  # two words, none to be trusted
        ("cat/deeper/1.jpg", ""),
        ("catalog/1.jpg", ""),
        ("cats.1.jpg", ""),
        ("1.jpg", ""),
        ("/1.jpg", ""),
        ("red fox/1.jpg", "red fox"),
        ("Lo\u0308we/1.jpg", "L\u00f6we"),  # as macOS writes it
        ("fox/1.jpg", "fox"),
        ("Fox/1.jpg", "Fox"),
        ("FOX/1.jpg", ""),  # two classes differ in nothing but their case
    ],
)
def test_the_folder_or_the_start_of_the_name_tells_the_class(name: str, truth: str) -> None:
    known = ["cat", "dog", "red fox", "L\u00f6we", "Fox", "fox"]
    assert pictures.true_class(name, known) == truth
    assert pictures.true_class(name, []) == ""
