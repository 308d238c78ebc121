"""The contract of the room: a layout of labelled pictures, listed first and read one by one."""

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable
from os import PathLike

from catdog.errors import InputError, UsageError
from data_tools.sources._store import Entry, Store

_EXTENSIONS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")
NOT_A_PICTURE = "not a picture name"


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """A picture that a source offers.

    Attributes:
      key: its '/'-separated path below the source's root; unique, equal for folder and zip.
      label: its class, an index in the listing's class names.
      locator: what `Source.read` takes; it has no other meaning.
    """

    key: str
    label: int
    locator: str


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a source holds.

    Attributes:
      class_names: the names of the labels 0, 1, ...
      items: the pictures, sorted by key. Nobody has decoded them yet: some may be broken.
      passed_over: how many other files there are, by reason.
    """

    class_names: tuple[str, ...]
    items: tuple[Item, ...]
    passed_over: dict[str, int]


class Source:
    """Labelled pictures in one layout. A source can be pickled; each process opens its own files.

    Attributes:
      auto_order: the layouts are tried in this order, the most particular first.
      takes_names: whether `path` may be the name of something that is no file or folder.
    """

    auto_order = 50
    takes_names = False

    def __init__(
        self, path: str, *, classes: tuple[str, ...] = (), store: Store | None = None
    ) -> None:
        """A source that has not opened anything yet.

        Args:
          path: a folder or a zip.
          classes: which classes to take, in the order of their labels; empty for all of them.
          store: of the same path, where there is one already; the source closes it.
        """
        if len(set(classes)) < len(classes) or "" in classes:
            raise UsageError(f"--classes must list different names, received {','.join(classes)!r}")
        self.path = path
        self.classes = classes
        self.store = store or Store(path)

    @staticmethod
    def recognises(store: Store) -> bool:
        """Whether the names of the files of a store, whose path is there, fit this layout."""
        raise NotImplementedError

    def scan(self) -> Listing:
        """All pictures with their labels, found by name alone.

        Raises:
          InputError: the path cannot be read, or does not hold two classes of pictures.
        """
        raise NotImplementedError

    def open(self) -> None:
        """Reads what the first picture would wait for.

        Raises:
          InputError, OSError: there is no first picture.
        """
        self.store.open()

    def read(self, locator: str) -> bytes:
        """The bytes of the picture of an item's locator, as the source holds them.

        Raises:
          InputError: they are over the budget, or damaged in the zip.
          OSError: the file cannot be read.
        """
        return self.store.read(locator)

    def leave_out(self, folder: PathLike[str]) -> None:
        """Passes over, uncounted, a folder that the reader itself writes to."""
        self.store.leave_out(os.fspath(folder))

    def stamp(self, locator: str) -> str:
        """Text that is another one as soon as the picture's bytes are; "" where none can tell.

        Raises:
          InputError, OSError: as `read`.
        """
        return self.store.stamp(locator)

    def close(self) -> None:
        """Closes files and removes temporary ones; nothing can be read afterwards."""
        self.store.close()


def is_picture_name(key: str) -> bool:
    """Whether a key ends like the name of a picture."""
    return key.lower().endswith(_EXTENSIONS)


def as_text(passed_over: dict[str, int]) -> str:
    """The reasons and their counts on one line: "3 unlabelled, 1 hidden file"."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(passed_over.items()))


def listing(
    labelled: Iterable[tuple[Entry, str]],
    passed_over: Counter[str],
    *,
    path: str,
    known: tuple[str, ...],
    classes: tuple[str, ...],
) -> Listing:
    """The listing of (entry, class name) pairs.

    Args:
      passed_over: counts so far; pictures of classes that are not asked for join them.
      known: all classes, in the order they have where `classes` is empty.
      classes: those asked for, in their order.

    Raises:
      InputError: there is no picture at all, none of some class, or only one class.
    """
    names = classes or known
    labels = {name: label for label, name in enumerate(names)}
    items = []
    for entry, name in labelled:
        if name in labels:
            items.append(Item(entry.key, labels[name], entry.locator))
        else:
            passed_over["class not listed"] += 1
    present = {item.label for item in items}
    absent = [name for name in names if labels[name] not in present]
    beside = f" (passed over: {as_text(passed_over)})" if passed_over else ""
    if absent and (items or classes):
        raise InputError(
            f"{path} has no picture of the class {absent[0]!r}; the classes are "
            f"{', '.join(known) or 'none'}{beside}: add pictures or choose with --classes"
        )
    if not items:
        raise InputError(f"{path} has no labelled picture{beside}; check --source and --layout")
    if len(names) < 2:
        raise InputError(
            f"{path} has one class, {names[0]!r}, where two or more are needed{beside}; "
            "check --source, --layout and --classes"
        )
    items.sort(key=lambda item: item.key)
    return Listing(tuple(names), tuple(items), dict(sorted(passed_over.items())))
