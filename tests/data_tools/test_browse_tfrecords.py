"""The page of a data set shows what is in it, names as text, the same bytes each time."""

import base64
import csv
import dataclasses
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog import schema
from catdog.errors import InputError, UsageError
from data_tools import browse_tfrecords, build_tfrecords
from data_tools.config import BrowseConfig, BuildConfig

EVIL = "<img src=x onerror=alert(1)>.jpg"
LONG = "x" * 180 + ".jpg"
ODD_NAMES = (
    EVIL,
    LONG,
    "</script><script>alert(2)",
    "\u202ereversed.jpg",
    "line\nend.jpg",
    "&amp;.jpg",
)

Browse = Callable[..., str]


def jpeg(gray: int, width: int = 40, height: int = 30) -> bytes:
    noise = np.random.default_rng(gray).integers(-8, 8, (height, width, 3))
    stream = io.BytesIO()
    pixels = np.clip(gray + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 2 classes: 24 pictures of rising brightness, odd names, copies, broken ones."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(24):
        name = ("cat", "dog")[number % 2]
        path = folder / name / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jpeg(10 + 10 * number, width=40 + number))
    for number, name in enumerate(ODD_NAMES):
        path = folder / "cat" / name
        if "/" in name:
            path = folder / "cat" / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(60 + number))
    (folder / "cat/copy.jpg").write_bytes(jpeg(10, width=40))  # of cat/0.jpg
    (folder / "dog/copy.jpg").write_bytes(jpeg(20, width=41))  # of dog/1.jpg
    (folder / "dog/another label.jpg").write_bytes(jpeg(30, width=42))  # of cat/2.jpg
    (folder / "dog/empty.jpg").write_bytes(b"")
    (folder / "dog/<b>cut.jpg").write_bytes(jpeg(99)[:-200])
    (folder / "dog/wide.jpg").write_bytes(jpeg(99, width=2000, height=2))
    return folder


@pytest.fixture(scope="module")
def data(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "data"
    config = BuildConfig(source=str(pictures), output_dir=str(folder), image_size=64, workers=1)
    build_tfrecords.main(dataclasses.replace(config, max_pixels=3500))
    return folder


@pytest.fixture
def browse(data: Path, tmp_path: Path) -> Browse:
    """The page's text; flags may be given."""

    def run(**changes: Any) -> str:
        output = tmp_path / "page.html"
        given = {"data_dir": str(data), "output_file": str(output)} | changes
        result = browse_tfrecords.main(BrowseConfig(**given))
        assert result["bytes"] == output.stat().st_size
        return output.read_text(encoding="utf-8")

    return run


class Reader(HTMLParser):
    """The elements of a page with their attributes, and the text of each section."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.section = ""
        self.texts: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self.section = str(dict(attrs)["id"])

    def handle_data(self, data: str) -> None:
        self.texts[self.section] = self.texts.get(self.section, "") + f" {data}"


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def index(page: str) -> dict[str, Any]:
    (found,) = re.findall('<script type="application/json" id="index">(.*?)</script>', page)
    return dict(json.loads(found))


def unpacked(packed: dict[str, Any]) -> list[str]:
    """The keys, by the rule that the script follows."""
    keys = [""]
    for shared, rest in zip(packed["shared"], packed["rest"], strict=True):
        keys.append(keys[-1].encode("utf-16-le")[: 2 * shared].decode("utf-16-le") + rest)
    return keys[1:]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_data_and_flags_give_the_same_bytes_wherever_they_lie(
    browse: Browse, data: Path, pictures: Path, tmp_path: Path
) -> None:
    first = browse(source=str(pictures))
    shutil.copytree(data, tmp_path / "elsewhere")
    assert browse(data_dir=str(tmp_path / "elsewhere"), source=str(pictures)) == first
    for machine in (str(tmp_path), str(pictures), str(data)):
        assert machine not in first
    assert browse(source=str(pictures), seed=1) != first


def test_names_are_text_and_nothing_on_the_page_leads_out(browse: Browse, pictures: Path) -> None:
    reader = read(browse(source=str(pictures)))
    assert not [tag for tag, attributes in reader.elements if "onerror" in attributes]
    assert Counter(tag for tag, _ in reader.elements)["script"] == 2  # the index and the search
    for tag, attributes in reader.elements:
        assert "style" not in attributes, tag  # the policy would refuse it
        for name in ("src", "href"):
            assert str(attributes.get(name) or "#").startswith(("#", "data:")), attributes
    assert "<b>cut.jpg" in reader.texts["rejects"]


def test_every_picture_can_be_searched_for_and_is_said_where_it_is(
    browse: Browse, data: Path
) -> None:
    packed = index(browse())
    keys = unpacked(packed)
    assert keys == sorted(keys)
    places = {}
    for place, key in enumerate(keys):
        if str(place) not in packed["note"]:
            split = packed["states"][packed["state"][place]]
            file = packed["files"][packed["state"][place]][packed["shard"][place]]
            label = packed["classes"][packed["label"][place]]
            places[key] = (split, label, file, packed["record"][place])
    listed = rows(data / "splits.csv")
    manifest = schema.read_manifest(data)
    expected = {
        # As it is shown: what does not show is spelled out.
        row["key"].replace("\u202e", "\\u202e").replace("\n", "\\n"): (
            row["split"],
            row["class"],
            manifest.splits[row["split"]].shards[int(row["shard"])].file,
            int(row["record"]),
        )
        for row in listed
    }
    assert places == expected
    rejected = {keys[int(place)]: packed["notes"][n] for place, n in packed["note"].items()}
    assert rejected == {row["key"]: row["reason"] for row in rows(data / "rejects.csv")}
    assert set(rejected) == {"dog/empty.jpg", "dog/<b>cut.jpg", "dog/wide.jpg"}


def test_counts_of_classes_splits_and_copies_are_those_of_the_tables(
    browse: Browse, data: Path
) -> None:
    texts = read(browse()).texts
    counted = Counter((row["split"], row["class"]) for row in rows(data / "splits.csv"))
    words = " ".join(texts["classes"].split())
    for label, name in enumerate(("cat", "dog")):
        train, validation = counted["train", name], counted["validation", name]
        assert f"{label} {name} {train} {validation} {train + validation}" in words
    said = " ".join(texts["duplicates"].split())
    assert "Groups of copies: 3, with 6 pictures; 1 with more than one label, 0 in more" in said
    first = said.index("Label conflict.")
    assert first < said.index("cat/ copy.jpg") and "another label.jpg" in said[first:]


def test_extremes_and_originals_are_the_ones_that_were_made_so(
    browse: Browse, pictures: Path
) -> None:
    words = " ".join(read(browse(source=str(pictures))).texts["extremes"].split())
    after = dict(
        re.findall(r"(Darkest|Brightest|Largest originals|Widest originals) (\S+ \S+)", words)
    )
    # Brightness and width rise with the number; copy.jpg has the bytes of cat/0.jpg.
    assert after["Brightest"] == "dog/ 23.jpg"
    assert after["Darkest"] in ("cat/ 0.jpg", "cat/ copy.jpg")
    assert after["Largest originals"] == after["Widest originals"] == "dog/ 23.jpg"
    assert "63 × 30 px" in words


def test_a_rejected_picture_is_seen_when_its_original_can_be_decoded(
    browse: Browse, pictures: Path
) -> None:
    without = read(browse())
    shown = read(browse(source=str(pictures)))
    keys = {a.get("data-key") for tag, a in shown.elements if tag == "img"}
    assert {"dog/wide.jpg", "dog/empty.jpg", "dog/<b>cut.jpg"} & keys == {"dog/wide.jpg"}
    assert "dog/wide.jpg" not in {a.get("data-key") for _, a in without.elements}
    assert "With --source" in without.texts["rejects"]


def test_originals_that_changed_are_not_measured(
    browse: Browse, pictures: Path, tmp_path: Path
) -> None:
    shutil.copytree(pictures, tmp_path / "changed")
    (tmp_path / "changed/cat/4.jpg").write_bytes(jpeg(200, width=900))
    (tmp_path / "changed/cat/6.jpg").unlink()
    texts = read(browse(source=str(tmp_path / "changed"))).texts
    assert "31 originals were read. 2 are gone or have changed" in texts["sizes"]
    assert "900" not in texts["extremes"]


def test_thumbnails_are_the_stored_pictures(browse: Browse) -> None:
    reader = read(browse())
    found = {
        str(a["data-key"]): base64.b64decode(str(a["src"]).partition(",")[2])
        for tag, a in reader.elements
        if tag == "img" and str(a["data-key"])[4:-4].isdecimal()
    }
    assert len(found) > 12
    for key, small in found.items():
        gray = np.asarray(Image.open(io.BytesIO(small)).convert("L")).mean()
        assert abs(gray - (10 + 10 * int(key[4:-4]))) < 4, key


def test_bounds_hold_and_the_page_says_what_is_left_out(browse: Browse) -> None:
    page = browse(max_index=5, samples=1, search_pictures=0)
    packed, reader = index(page), read(page)
    assert len(packed["rest"]) == 5 + 3  # and the rejected ones
    assert packed["pictures"] == {}
    assert "5 of the 33 examples can be found here" in reader.texts["search"]
    assert packed == index(browse(max_index=5, samples=1, search_pictures=0))
    assert index(browse(max_index=0))["label"] == [-1, -1, -1]


def test_a_data_set_without_tables_has_a_page(tiny_records: Path, browse: Browse) -> None:
    texts = read(browse(data_dir=str(tiny_records))).texts
    assert "does not list its pictures" in texts["duplicates"]
    assert "No picture was rejected" in texts["rejects"]


@pytest.fixture
def tiny_records(data: Path, tmp_path: Path) -> Path:
    """The shards and the manifest alone, as another writer may leave them."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for path in data.iterdir():
        if "tfrecord" in path.name:
            shutil.copy(path, folder)
    manifest = dataclasses.replace(
        schema.read_manifest(data), source={}, build={}, counts={}, libraries={}, files={}
    )
    (folder / "manifest.json").write_text(schema.manifest_text(manifest))
    return folder


def test_flags_that_cannot_be_used_are_told(browse: Browse, tmp_path: Path, data: Path) -> None:
    with pytest.raises(UsageError, match="end with .html"):
        browse(output_file=str(tmp_path / "page.txt"))
    with pytest.raises(UsageError, match="existing folder"):
        browse(output_file=str(tmp_path / "none/page.html"))
    with pytest.raises(UsageError, match="--data_dir"):
        browse(data_dir=str(tmp_path / "none"))
    with pytest.raises(InputError, match="is not there"):
        browse(source=str(tmp_path / "none"))
    with pytest.raises(InputError, match="no manifest"):
        browse(data_dir=str(tmp_path))
