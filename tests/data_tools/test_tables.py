"""The tables of a data set are read back as written, and its groups of copies come in order."""

import re
from pathlib import Path

import pytest

from catdog import files
from catdog.errors import IntegrityError
from data_tools import _page_scan, _page_sections, _tables

CLASSES = ("cat", "dog")
HEADER = ("group", "key", "sha256", "label", "class", "split", "fate", "kind", "distance")
GROUPS = [
    (1, "cat/4.jpg", "a" * 64, 0, "cat", "train", "stored", "exact", "0.0000", "no"),
    (1, "cat/5.jpg", "a" * 64, 0, "cat", "train", "stored", "exact", "0.0000", "no"),
    (2, "cat/6.jpg", "b" * 64, 0, "cat", "train", "stored", "exact", "0.0000", "no"),
    (2, "cat/7.jpg", "c" * 64, 0, "cat", "validation", "stored", "near", "0.0312", "no"),
    (3, "=cat/8.jpg", "d" * 64, 0, "cat", "train", "stored", "exact", "0.0000", "yes"),
    (3, "dog/<b>.jpg", "e" * 64, 1, "dog", "", "dropped", "mirrored", "0.0100", "yes"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = files.csv_text((*HEADER, "conflict"), GROUPS)
    (tmp_path / "duplicates.csv").write_text(text)
    return tmp_path


@pytest.mark.parametrize("key", ["=1+1", "'quoted", 'a,"b"', "a\rb\nc", "-", "\ttab", "plain"])
def test_cells_come_back_as_they_were_before_they_were_made_safe(tmp_path: Path, key: str) -> None:
    (tmp_path / "rejects.csv").write_bytes(files.csv_text(("key", "n"), [(key, 1)]).encode())
    assert list(_tables.rows(tmp_path, "rejects.csv")) == [{"key": key, "n": "1"}]
    assert list(_tables.rows(tmp_path, "none.csv")) == []


def test_a_table_that_is_no_text_is_an_integrity_error(tmp_path: Path) -> None:
    (tmp_path / "rejects.csv").write_bytes(b"key\n\xff\xfe\n")
    with pytest.raises(IntegrityError, match="rejects.csv cannot be read"):
        list(_tables.rows(tmp_path, "rejects.csv"))
    (tmp_path / "splits.csv").write_text("key,split,class,sha256\na,train,cat,not hex\n")
    with pytest.raises(IntegrityError, match="splits.csv is damaged"):
        _tables.duplicate_groups(tmp_path, CLASSES)


def test_groups_come_with_conflicts_first_then_those_across_splits(folder: Path) -> None:
    groups = _tables.duplicate_groups(folder, CLASSES)
    assert [group.members[0].key for group in groups] == ["=cat/8.jpg", "cat/6.jpg", "cat/4.jpg"]
    assert [group.conflict for group in groups] == [True, False, False]
    assert [group.splits for group in groups] == [{"train"}, {"train", "validation"}, {"train"}]
    assert groups[0].members[1] == _tables.Member(
        key="dog/<b>.jpg",
        split="",
        fate="dropped",
        class_name="dog",
        kind="mirrored",
        distance="0.0100",
    )


def test_without_that_table_pictures_with_equal_bytes_are_groups(tmp_path: Path) -> None:
    header = ("key", "sha256", "label", "class", "split")
    rows = [("b", "1" * 64, 1, "dog", "train"), ("a", "1" * 64, 0, "cat", "train")]
    # Equal in the first 16 digits alone: not the same bytes.
    rows += [("c", "2" * 64, 0, "cat", "train"), ("d", "2" * 63 + "3", 0, "cat", "train")]
    (tmp_path / "splits.csv").write_text(files.csv_text(header, rows))
    (group,) = _tables.duplicate_groups(tmp_path, CLASSES)
    assert [member.key for member in group.members] == ["a", "b"] and group.conflict


def test_groups_are_shown_with_what_is_alarming_about_them(folder: Path) -> None:
    groups = _tables.duplicate_groups(folder, CLASSES)
    seen = {"cat/6.jpg": _page_scan.Shown("cat/6.jpg", "cat", "train", b"jpeg")}
    page = _page_sections.duplicates(groups, seen, listed=True, table="duplicates.csv")
    said = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert "Groups of copies: 3, with 6 pictures; 1 with more than one label, 1 in more" in said
    assert said.index("Label conflict.") < said.index("Across splits.")
    assert "near, distance 0.0312" in said and "mirrored, distance 0.0100" in said
    assert "dog · dropped" in said and "dog/ &lt;b&gt;.jpg" in said
    assert page.count("<img") == 1 and said.count("no picture") == 5


def test_more_groups_than_fit_are_counted(folder: Path) -> None:
    (group,) = _tables.duplicate_groups(folder, CLASSES)[2:]
    large = _tables.Group(group.members * 10, conflict=False)
    page = _page_sections.duplicates([large] * 50, {}, listed=True, table="duplicates.csv")
    assert "10 more groups are in duplicates.csv." in page
    assert "20 pictures, 12 of them not shown" in page


def test_reasons_that_differ_in_numbers_alone_count_as_one() -> None:
    found = _tables.reason_counts(["cut (59 bytes)", "cut (7 bytes)", "empty file"])
    assert found == {"cut (N bytes)": 2, "empty file": 1}
