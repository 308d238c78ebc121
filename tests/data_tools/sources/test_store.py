"""Folders and zips look the same, zips inside them too, and processes do not disturb each other."""

import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from catdog.errors import InputError
from data_tools.sources._store import Entry, Store

TREE = {"b/2.jpg": b"two", "a.jpg": b"one", "b/.hidden.jpg": b"", "__MACOSX/a.jpg": b""}


def _inner_zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _contents(store: Store, *, inner: tuple[str, ...] = ()) -> dict[str, bytes]:
    return {entry.key: store.read(entry.locator) for entry in store.entries(inner=inner)[0]}


def _read_all(store: Store, entries: list[Entry], rounds: int) -> list[bytes]:
    return [store.read(entry.locator) for _ in range(rounds) for entry in entries]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_tree_has_the_same_keys_and_counts_as_folder_and_zip(make_tree, kind: str) -> None:
    store = Store(make_tree(TREE)[kind])
    entries, passed_over = store.entries()
    assert [entry.key for entry in entries] == ["a.jpg", "b/2.jpg"]
    assert [store.read(entry.locator) for entry in entries] == [b"one", b"two"]
    assert passed_over == {"hidden file": 2}
    store.close()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_inside_a_zip_is_read_and_leaves_no_file_behind(
    tmp_path: Path, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spools = tmp_path / "spools"
    spools.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spools))
    inside = {"train/cat.1.jpg": os.urandom(5000), "train/dog.1.jpg": os.urandom(7000)}
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", method) as outer:
        outer.writestr("readme", b"x" * 100)
        outer.writestr("deep/Train.zip", _inner_zip(inside))
    store = Store(str(tmp_path / "outer.zip"))
    found = _contents(store, inner=("train.zip",))
    expected = {f"deep/Train.zip/{name}": data for name, data in inside.items()}
    assert found == {"readme": b"x" * 100, **expected}
    assert len(list(spools.iterdir())) == (method == zipfile.ZIP_DEFLATED)
    # A worker's copy reads from the same spool, and only the maker removes it.
    locators = [entry.locator for entry in store.entries(inner=("train.zip",))[0]]
    copy = pickle.loads(pickle.dumps(store))  # noqa: S301
    assert copy.read(locators[0]) == inside["train/cat.1.jpg"]
    copy.close()
    assert store.read(locators[1]) == inside["train/dog.1.jpg"]
    store.close()
    assert list(spools.iterdir()) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip_inside_a_zip_is_named(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", method) as outer:
        outer.writestr("train.zip", b"cut off")
    store = Store(str(tmp_path / "outer.zip"))
    with pytest.raises(InputError, match=r"outer\.zip/train\.zip is not a zip"):
        store.entries(inner=("train.zip",))
    store.close()


def test_a_zip_in_a_folder_is_read_unless_it_is_unpacked_beside_itself(make_tree) -> None:
    inner = _inner_zip({"train/cat.1.jpg": b"cat", "train/.DS_Store": b""})
    folder = make_tree({"x/train.zip": inner, "train.zip.txt": b""})["folder"]
    store = Store(folder)
    assert sorted(_contents(store, inner=("train.zip",))) == [
        "train.zip.txt",
        "x/train.zip/train/cat.1.jpg",
    ]
    assert store.entries(inner=("train.zip",))[1] == {"hidden file": 1}
    store.close()
    unpacked = Path(folder, "x", "train", "deeper")
    unpacked.mkdir(parents=True)
    (unpacked / "cat.1.jpg").write_bytes(b"cat")
    again = Store(folder)
    entries, passed_over = again.entries(inner=("train.zip",))
    assert [entry.key for entry in entries] == ["train.zip.txt", "x/train/deeper/cat.1.jpg"]
    assert passed_over == {"zip unpacked beside itself": 1}
    again.close()


def test_links_to_files_are_followed_and_loops_do_not_hang(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    (root / "linked.jpg").symlink_to(tmp_path / "outside.jpg")
    (root / "sub" / "loop").symlink_to(root)
    (root / "self.jpg").symlink_to(root / "self.jpg")
    (root / "gone.jpg").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe.jpg")
    store = Store(str(root))
    assert _contents(store) == {"linked.jpg": b"outside"}
    assert store.entries()[1] == {"link to a folder": 1, "not a regular file": 3}


def test_a_name_that_is_not_utf8_gets_a_key_that_is(tmp_path: Path) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"caf\xe9\n.jpg")
    with open(name, "wb") as file:
        file.write(b"coffee")
    assert _contents(Store(str(tmp_path))) == {"caf\\xe9\n.jpg": b"coffee"}


def test_a_file_that_went_away_or_cannot_be_read_raises_oserror(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    store = Store(str(tmp_path))
    (entry,) = store.entries()[0]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(OSError, match="a.jpg"):
        store.read(entry.locator)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_counted(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir(mode=0)
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert Store(str(tmp_path)).entries()[1] == {"unreadable folder": 1}


def test_a_file_over_the_limit_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(bytes(11))
    store = Store(str(tmp_path))
    with pytest.raises(InputError, match="limit of 10 bytes"):
        store.read("a.jpg", limit=10)
    assert store.read("a.jpg", limit=11) == bytes(11)


def test_a_spawned_process_reads_what_the_first_one_reads(make_tree) -> None:
    files = {f"{n}.jpg": bytes([n]) * (1000 + n) for n in range(40)}
    store = Store(make_tree(files)["zip"])
    entries = store.entries()[0]
    expected = _read_all(store, entries, 3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_read_all, (store, entries, 3)) == expected
    store.close()


FORKED = """
import os, sys
from data_tools.sources._store import Store

store = Store(sys.argv[1])
entries = store.entries()[0]
expected = [store.read(entry.locator) for entry in entries]
child = os.fork()
for _ in range(100):
    if [store.read(entry.locator) for entry in entries] != expected:
        os._exit(1)
if child == 0:
    store.close()
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_forked_processes_do_not_disturb_each_other(make_tree) -> None:
    # In a process of its own: to fork one that holds TensorFlow's threads is asking for trouble.
    path = make_tree({f"{n}.jpg": os.urandom(9000 + n) for n in range(10)})["zip"]
    assert subprocess.run([sys.executable, "-c", FORKED, path], check=False).returncode == 0


def test_a_picture_is_read_again_when_its_stamp_or_its_place_changes(tmp_path: Path) -> None:
    path = tmp_path / "cat.0.jpg"
    path.write_bytes(b"one")
    store = Store(str(tmp_path))
    assert store.stamp(path.name) == "", "it may change again within the tick of a clock"
    os.utime(path, (1e9, 1e9))
    assert store.stamp(path.name) == "", "its times can be set back, those of its inode cannot"
    real = os.stat(path)
    time.sleep(2.1)
    stamp = store.stamp(path.name)
    assert stamp.split()[:2] == ["3", str(real.st_mtime_ns)]
    os.chmod(path, 0o600)
    assert store.stamp(path.name) != stamp


def test_a_zips_member_has_its_checksum_for_a_stamp(tmp_path: Path) -> None:
    stamps = []
    for number, content in enumerate((b"one", b"one", b"two")):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr("cat.0.jpg", content)
        store = Store(str(tmp_path / f"{number}.zip"))
        (entry,), _ = store.entries()
        stamps.append(store.stamp(entry.locator))
        store.close()
    assert stamps[0] == stamps[1] != stamps[2]


def test_open_reads_the_zips_that_are_known_and_no_name(tmp_path: Path) -> None:
    path = tmp_path / "attached.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
    store = Store("a name of TFDS")
    store.attach("key", str(path))
    store.open()
    path.unlink()  # what is open by now is read all the same
    assert store.read(store.archive_locator("key", "a")) == b"1"
    store.close()
