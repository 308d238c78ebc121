"""The table of a zip's members says what zipfile says, of sound zips and of damaged ones."""

import contextlib
import io
import random
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest

from catdog import _members, archive
from catdog.archive import Archive
from catdog.errors import InputError

NAMES = (
    "a.jpg",
    "tief/b.jpg",
    "K\u00e4fer/c.png",
    "./d.gif",
    "\u732b.jpg",
    "tief/",
    "e\\f.jpg",
    "g",
)


class _Pipe(io.RawIOBase):
    """Takes bytes and cannot go back, so zipfile states sizes behind the data."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


def _drawn(rng: random.Random) -> bytes:
    """A zip of up to 12 members with all that a packer may do."""
    file: io.BytesIO | _Pipe = io.BytesIO() if rng.random() < 0.7 else _Pipe()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as packed:
        warnings.simplefilter("ignore")  # of names that are there already
        for number in range(rng.randrange(12)):
            name = rng.choice(NAMES) if rng.random() < 0.5 else f"{number}-{rng.choice(NAMES)}"
            info = zipfile.ZipInfo(name)
            info.compress_type = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            info.comment = rng.randbytes(rng.choice((0, 0, 9)))
            with packed.open(info, "w", force_zip64=rng.random() < 0.2) as member:
                member.write(rng.randbytes(rng.choice((0, 10, 5000))) + bytes(rng.randrange(3000)))
        packed.comment = rng.randbytes(rng.choice((0, 0, 30)))
    data = bytearray(file.data if isinstance(file, _Pipe) else file.getvalue())
    if rng.random() < 0.2:  # macOS: UTF-8 names without the flag that says so
        for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            start = data.find(signature)
            while start >= 0:
                data[start + at + 1] &= ~8
                start = data.find(signature, start + 1)
    return rng.randbytes(rng.choice((0, 0, 50))) + bytes(data)


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """The zip with a few bytes of it changed, mostly in its headers, or with one end cut off."""
    changed = bytearray(data)
    if rng.random() < 0.1:
        size = rng.randrange(len(changed) + 1)
        return bytes(changed[:size] if rng.random() < 0.5 else changed[size:])
    for _ in range(rng.randrange(1, 4)):
        starts = [changed.rfind(rng.choice((b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6"))), 0]
        start = max(0, starts[rng.random() < 0.2])
        place = min(start + rng.randrange(70), len(changed) - 1)
        changed[place] = rng.choice((0, 1, 0xFF, changed[place] ^ 1 << rng.randrange(8)))
    return bytes(changed)


def _key(info: zipfile.ZipInfo) -> str:
    name = info.filename
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name


def _by_zipfile(path: Path) -> dict[str, bytes | None] | None:
    """What zipfile alone finds: each member, None where it fails or is over budget; or no zip."""
    found: dict[str, bytes | None] = {}
    try:
        with zipfile.ZipFile(path) as opened:
            for info in opened.infolist():
                key = _key(info)
                usable = info.compress_type in (0, 8) and not info.flag_bits & 1
                inside = key[:1] != "/" and key[1:2] != ":" and ".." not in key.split("/")
                regular = info.external_attr >> 28 in (0, 8)
                if key in found or key in ("", ".") or key.endswith("/"):
                    continue
                if not (usable and inside and regular):
                    continue
                allowed = min(archive.READ_LIMIT, max(2**22, 200 * info.compress_size))
                try:
                    with opened.open(info) as stream:
                        content = stream.read(info.file_size + 1)
                    found[key] = content if info.file_size <= allowed else None
                except Exception:
                    found[key] = None
    except Exception:
        return None
    return found


def _by_us(path: Path) -> dict[str, bytes | None] | None:
    try:
        opened = Archive(str(path))
    except InputError:
        return None
    found: dict[str, bytes | None] = {}
    for key in opened.members:
        try:
            found[key] = opened.read(key)
        except InputError:
            found[key] = None
    assert len(opened.members) == len(found)
    opened.close()
    return found


@pytest.mark.parametrize("seed", range(8))
def test_drawn_zips_hold_what_zipfile_finds_in_the_same_order(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    seen = 0
    for number in range(30):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(_drawn(rng))
        oracle = _by_zipfile(path)
        assert oracle is not None and None not in oracle.values()
        ours = _by_us(path)
        assert ours is not None and list(ours.items()) == list(oracle.items())
        seen += len(ours)
    assert seen > 50


@pytest.mark.parametrize("seed", range(6))
def test_of_a_damaged_zip_exactly_that_is_read_which_zipfile_reads(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    path = tmp_path / "x.zip"
    outcomes = set()
    for _ in range(100):
        path.write_bytes(_damaged(_drawn(rng), rng))
        oracle = _by_zipfile(path)
        assert _by_us(path) == oracle
        outcomes.add("no zip" if oracle is None else "hurt" if None in oracle.values() else "fine")
    assert outcomes == {"no zip", "hurt", "fine"}


def _packed(path: Path, names: list[str]) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as packed:
        warnings.simplefilter("ignore")
        for name in names:
            packed.writestr(name, name.encode())
    return path


def test_members_before_the_beginning_of_a_cut_zip_are_damaged_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    path = _packed(tmp_path / "x.zip", ["a.jpg", "b.jpg", "c.jpg"])
    path.write_bytes(path.read_bytes()[10:])
    opened = Archive(str(path))
    with pytest.raises(InputError, match="damaged in the zip"):
        opened.read("a.jpg")
    with pytest.raises(InputError, match="is damaged"):
        opened.stored_region("a.jpg")
    assert opened.read("b.jpg") == b"b.jpg"
    opened.close()


def test_a_name_in_a_members_own_header_that_is_no_utf8_is_damage(tmp_path: Path) -> None:
    path = _packed(tmp_path / "x.zip", ["\u732b.jpg"])
    data = bytearray(path.read_bytes())
    data[30] = 0xFF
    path.write_bytes(data)
    opened = Archive(str(path))
    with pytest.raises(InputError, match="damaged in the zip"):
        opened.read("\u732b.jpg")
    with pytest.raises(InputError, match="is damaged"):
        opened.copy("\u732b.jpg", io.BytesIO())
    opened.close()


def test_names_of_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_members, "hash", len, raising=False)
    names = ["a", "bb", "c", "dd", "a", "e", "c", "fff"]
    opened = Archive(str(_packed(tmp_path / "x.zip", names)))
    assert list(opened.members) == ["a", "bb", "c", "dd", "e", "fff"]
    assert [opened.read(key) for key in opened.members] == [b"a", b"bb", b"c", b"dd", b"e", b"fff"]
    assert opened.passed_over == {"repeated name": 2}
    assert "g" not in opened.members and "gggg" not in opened.members
    opened.close()


def test_sizes_beyond_four_gigabytes_are_kept(tmp_path: Path) -> None:
    path = _packed(tmp_path / "x.zip", ["a.jpg"])
    data = path.read_bytes()
    start = data.index(b"PK\1\2")
    entry = bytearray(data[start : start + 46])
    struct.pack_into("<II", entry, 20, 2**32 - 1, 2**32 - 1)
    struct.pack_into("<H", entry, 30, 20)
    extra = struct.pack("<HHQQ", 1, 16, 2**63, 2**40)
    end = bytearray(data[data.index(b"PK\5\6") :])
    struct.pack_into("<I", end, 12, 46 + 5 + 20)
    path.write_bytes(data[:start] + entry + b"a.jpg" + extra + end)
    opened = Archive(str(path))
    info = opened.members["a.jpg"]
    assert (info.file_size, info.compress_size) == (2**63, 2**40)
    with pytest.raises(InputError, match=f"unpacks to {2**63} bytes"):
        opened.read("a.jpg")
    opened.close()


def test_more_members_than_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _packed(tmp_path / "x.zip", ["a", "b", "c/"])
    monkeypatch.setattr(archive, "MEMBER_LIMIT", 3)
    Archive(str(path)).close()
    monkeypatch.setattr(archive, "MEMBER_LIMIT", 2)
    with pytest.raises(InputError, match="more than 2 members"):
        Archive(str(path))


def test_a_member_takes_a_tenth_of_what_zipfile_keeps_of_it(tmp_path: Path) -> None:
    count = 5000
    path = _packed(tmp_path / "x.zip", [f"train/dog.{number}.jpg" for number in range(count)])
    Archive(str(path)).close()  # what is imported and cached on first use is no member's share
    tracemalloc.start()
    try:
        opened = Archive(str(path))
        kept, peak = (size / count for size in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    opened.close()
    assert kept < 100
    assert peak < 300  # with zipfile's copy of the directory, for a moment
