"""Kaggle's Dogs vs. Cats: cat.0.jpg and dog.0.jpg at any depth of a folder or a zip.

Kaggle's download holds train.zip and test1.zip: train.zip is read where it lies. The pictures of
the test set (1.jpg, 2.jpg, ...) have no label.
"""

import re
from collections import Counter

from data_tools.sources._source import NOT_A_PICTURE, Listing, Source, is_picture_name, listing
from data_tools.sources._store import Entry, Store

_LABELLED = re.compile(r"(cat|dog)\.[0-9]+\.jpe?g", re.IGNORECASE)
_UNLABELLED = re.compile(r"[0-9]+\.jpe?g", re.IGNORECASE)
_INNER = ("train.zip",)
_CLASSES = ("cat", "dog")
_UNNAMED = "no class in the name"


def _sorted_out(store: Store) -> tuple[list[tuple[Entry, str]], Counter[str]]:
    """The entries with a class in their names, and the count of the others by reason."""
    entries, passed_over = store.entries(inner=_INNER)
    labelled = []
    for entry in entries:
        name = entry.key.rpartition("/")[2]
        match = _LABELLED.fullmatch(name)
        if match:
            labelled.append((entry, match[1].lower()))
        elif _UNLABELLED.fullmatch(name):
            passed_over["unlabelled"] += 1
        else:
            passed_over[_UNNAMED if is_picture_name(name) else NOT_A_PICTURE] += 1
    return labelled, passed_over


class Kaggle(Source):
    """Pictures whose names begin with their class: `dog.4242.jpg`."""

    auto_order = 20

    @staticmethod
    def recognises(store: Store) -> bool:
        """Whether there are such names, and no more pictures with other names than these."""
        labelled, passed_over = _sorted_out(store)
        return bool(labelled) and passed_over[_UNNAMED] <= len(labelled)

    def scan(self) -> Listing:
        """The pictures of cats (0) and dogs (1), or as `classes` orders them."""
        labelled, passed_over = _sorted_out(self.store)
        return listing(labelled, passed_over, path=self.path, known=_CLASSES, classes=self.classes)
