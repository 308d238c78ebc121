"""One folder a class, in a folder or a zip: Siamese/a.jpg, Tabby/b.png, ...

A folder that holds everything else ("animals/Siamese/a.jpg") is looked through. A picture may lie
deeper in the folder of its class.
"""

from collections import Counter

from catdog.errors import InputError
from data_tools.sources._source import NOT_A_PICTURE, Listing, Source, is_picture_name, listing
from data_tools.sources._store import Entry, Store

_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}


def _sorted_out(store: Store) -> tuple[list[tuple[Entry, str]], Counter[str]]:
    """The pictures in folders with their folder's name, and the count of the other files."""
    entries, passed_over = store.entries()
    pictures = [entry for entry in entries if is_picture_name(entry.key)]
    if len(pictures) < len(entries):
        passed_over[NOT_A_PICTURE] += len(entries) - len(pictures)
    paths = [(entry, entry.key.split("/")) for entry in pictures]
    depth = 0
    while True:
        wrapping = {parts[depth] for _, parts in paths if len(parts) > depth + 1}
        deeper = any(len(parts) > depth + 2 for _, parts in paths)
        if len(wrapping) != 1 or not deeper:
            break
        depth += 1
    labelled = [(entry, parts[depth]) for entry, parts in paths if len(parts) > depth + 1]
    if len(labelled) < len(pictures):
        passed_over["in no class folder"] += len(pictures) - len(labelled)
    return labelled, passed_over


class ImageFolder(Source):
    """Pictures whose folder is their class; the classes are sorted by name."""

    auto_order = 90

    @staticmethod
    def recognises(store: Store) -> bool:
        """Whether there is a picture in a folder."""
        return bool(_sorted_out(store)[0])

    def scan(self) -> Listing:
        """The pictures of all folders, or of those that `classes` names.

        Raises:
          InputError: as `Source.scan`, and where the folders are splits, not classes.
        """
        labelled, passed_over = _sorted_out(self.store)
        known = tuple(sorted({name for _, name in labelled}))
        if known and not self.classes and all(name.lower() in _SPLITS for name in known):
            raise InputError(
                f"{self.path} has the folders {', '.join(known)}, which are splits and no classes; "
                "give one of them as --source and let --splits divide it"
            )
        return listing(labelled, passed_over, path=self.path, known=known, classes=self.classes)
