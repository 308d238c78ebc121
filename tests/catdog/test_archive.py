"""Zips: what is a member, what is not, and that every read has a budget."""

import contextlib
import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from catdog.archive import RATIO_FREE_BYTES, Archive, Slice
from catdog.errors import InputError


def _zip(path: Path, members: list[tuple[zipfile.ZipInfo | str, bytes]]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return str(path)


def test_a_slice_reads_like_the_bytes_it_covers(tmp_path: Path) -> None:
    data = bytes(range(200))
    (tmp_path / "x").write_bytes(data)
    oracle = io.BytesIO(data[50:150])
    with Slice(str(tmp_path / "x"), 50, 100) as part:
        for offset, whence, size in [(0, 0, 10), (5, 1, 20), (-7, 2, 50), (99, 0, 9), (300, 0, 4)]:
            assert part.seek(offset, whence) == oracle.seek(offset, whence)
            assert part.read(size) == oracle.read(size)
            assert part.tell() == oracle.tell()
        assert part.at(90, 5) == data[140:145]
        assert part.at(90, 50) == data[140:150]
        assert part.at(100, 5) == part.at(10**20, 5) == b""
        assert part.tell() == oracle.tell()
        with pytest.raises(ValueError, match="negative"):
            part.seek(-1)


def test_members_that_could_leave_the_folder_are_passed_over(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    names = ["../up.jpg", "/root.jpg", "a/../../b.jpg", "C:/windows.jpg", "..\\up.jpg"]
    path = _zip(tmp_path / "x.zip", [*((n, b"x") for n in names), (link, b"/etc/passwd")])
    archive = Archive(path)
    assert list(archive.members) == []
    assert archive.passed_over == {"unsafe name": 5, "link or special file in a zip": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]
    archive.close()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_first_of_two_members_of_one_name_is_kept(tmp_path: Path) -> None:
    members = [("a.jpg", b"first"), ("a.jpg", b"second"), ("./a.jpg", b"third"), ("b/", b"")]
    archive = Archive(_zip(tmp_path / "x.zip", list(members)))
    assert archive.read("a.jpg") == b"first"
    assert archive.passed_over == {"repeated name": 2}
    archive.close()


def test_names_packed_by_windows_and_macos_become_the_same_keys(tmp_path: Path) -> None:
    # macOS leaves out the flag that says UTF-8: clear bit 11 in both headers of the member.
    path = Path(_zip(tmp_path / "x.zip", [("K\u00e4fer/1.jpg", b"x"), ("Ant\\2.jpg", b"y")]))
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = data.index(signature)
        assert struct.unpack_from("<H", data, start + at)[0] == 0x800
        struct.pack_into("<H", data, start + at, 0)
    path.write_bytes(data)
    archive = Archive(str(path))
    assert {key: archive.read(key) for key in archive.members} == {
        "K\u00e4fer/1.jpg": b"x",
        "Ant/2.jpg": b"y",
    }
    archive.close()


def test_encrypted_and_strangely_packed_members_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("secret.jpg", b"x")
        archive.writestr("bzip2.jpg", b"x", zipfile.ZIP_BZIP2)
        archive.writestr("plain.jpg", b"x")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    opened = Archive(str(path))
    assert list(opened.members) == ["plain.jpg"]
    assert opened.passed_over == {"encrypted": 1, "unknown compression": 1}
    opened.close()


def test_a_member_over_the_budget_of_bytes_or_ratio_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.bmp", bytes(RATIO_FREE_BYTES + 1))
        archive.writestr("flat.bmp", bytes(1000))
    opened = Archive(str(path))
    with pytest.raises(InputError, match="limit of 200 times"):
        opened.read("bomb.bmp")
    with pytest.raises(InputError, match="unpacks to 1000 bytes, over the limit of 999"):
        opened.read("flat.bmp", limit=999)
    assert opened.read("flat.bmp", limit=1000) == bytes(1000)
    opened.close()


def test_a_header_that_understates_the_size_gets_no_more_than_it_states(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("liar.jpg", bytes(100_000))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 10)
    path.write_bytes(data)
    opened = Archive(str(path))
    with pytest.raises(InputError, match="damaged in the zip"):
        opened.read("liar.jpg")
    opened.close()


def test_a_flipped_bit_in_a_member_is_found(tmp_path: Path) -> None:
    path = Path(_zip(tmp_path / "x.zip", [("a.jpg", b"abcdefgh"), ("b.jpg", b"whole")]))
    data = bytearray(path.read_bytes())
    data[data.index(b"abcdefgh")] ^= 1
    path.write_bytes(data)
    opened = Archive(str(path))
    with pytest.raises(InputError, match="damaged"):
        opened.read("a.jpg")
    assert opened.read("b.jpg") == b"whole"
    opened.close()


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_file_that_is_no_whole_zip_is_an_input_error_of_one_line(
    tmp_path: Path, damage: str
) -> None:
    path = Path(_zip(tmp_path / "x.zip", [("a.jpg", b"x" * 500)]))
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-30], "text": b"<html>not found", "empty": b""}[damage])
    with pytest.raises(InputError, match="download or pack it again") as caught:
        Archive(str(path))
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


def _found(path: Path) -> dict[str, bytes | str] | str:
    """What a zip has, or what is said of it."""
    try:
        archive = Archive(str(path))
    except InputError as error:
        return str(error)
    with contextlib.closing(archive):
        found: dict[str, bytes | str] = {}
        for key in archive.members:
            try:
                found[key] = archive.read(key)
            except InputError as error:
                found[key] = str(error)
        return found


def test_an_uncompressed_member_is_what_zipfile_says_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_extra = zipfile.ZipInfo("more.jpg")
    with_extra.extra = b"\xfe\xca\x04\x00more"
    _zip(tmp_path / "whole.zip", [("a.jpg", b"abc" * 20), ("ü.jpg", b"u" * 9), (with_extra, b"m")])
    whole = (tmp_path / "whole.zip").read_bytes()
    wanted = {"a.jpg": b"abc" * 20, "ü.jpg": b"u" * 9, "more.jpg": b"m"}
    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "open", None)
        assert _found(tmp_path / "whole.zip") == wanted
    path, damaged = tmp_path / "damaged.zip", 0
    for place in range(len(whole)):
        for flip in (0x01, 0x20, 0x80):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            found = _found(path)
            with monkeypatch.context() as patch:
                patch.setattr(Archive, "_stored", lambda *_: None)
                assert found == _found(path), (place, flip)
            damaged += found != wanted
    assert damaged > len(whole)
