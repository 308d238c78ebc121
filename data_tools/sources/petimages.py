"""Microsoft's cats and dogs: PetImages/Cat/0.jpg and PetImages/Dog/0.jpg in a folder or a zip.

The download holds a readme and Thumbs.db files beside them, and some broken pictures, which are
found when they are decoded.
"""

import os
import re
from collections import Counter

from data_tools.sources._source import NOT_A_PICTURE, Listing, Source, is_picture_name, listing
from data_tools.sources._store import Entry, Store

_NAME = re.compile(r"(.*/)?PetImages/(?P<kind>Cat|Dog)/[0-9]+\.jpe?g", re.IGNORECASE | re.DOTALL)
_CLASSES = ("cat", "dog")


def _sorted_out(store: Store) -> tuple[list[tuple[Entry, str]], Counter[str]]:
    """The numbered pictures with their class, and the count of the other files by reason."""
    # The folder PetImages itself may be the source; then the keys begin below it.
    root = os.path.basename(os.path.abspath(store.path))
    prefix = "PetImages/" if root.lower() == "petimages" else ""
    entries, passed_over = store.entries()
    labelled = []
    for entry in entries:
        match = _NAME.fullmatch(prefix + entry.key)
        if match:
            labelled.append((entry, match["kind"].lower()))
        else:
            picture = is_picture_name(entry.key)
            passed_over["not a number in Cat or Dog" if picture else NOT_A_PICTURE] += 1
    return labelled, passed_over


class PetImages(Source):
    """Numbered pictures in the folders Cat and Dog of the folder PetImages."""

    auto_order = 10

    @staticmethod
    def recognises(store: Store) -> bool:
        """Whether there is such a picture."""
        return bool(_sorted_out(store)[0])

    def scan(self) -> Listing:
        """The pictures of cats (0) and dogs (1), or as `classes` orders them."""
        labelled, passed_over = _sorted_out(self.store)
        return listing(labelled, passed_over, path=self.path, known=_CLASSES, classes=self.classes)
