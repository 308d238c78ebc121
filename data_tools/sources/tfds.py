"""A TFDS image classification set: its name ("cats_vs_dogs") or a folder that TFDS prepared.

TensorFlow reads the set once, in the process that scans it: the encoded bytes go, as they are,
into a temporary zip, and everybody else reads from that.
"""

import contextlib
import dataclasses
import os
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

from catdog import cli
from catdog.errors import NO_SPACE, InputError, UsageError
from data_tools.sources._source import Listing, Source, listing
from data_tools.sources._store import Entry, Store

_ARCHIVE = "tfds"


@dataclasses.dataclass(frozen=True)
class _Features:
    """The names of the features to read; `filename` is empty where the set has none."""

    image: str
    label: str
    filename: str


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turns what TFDS raises, which is of any class, into one line that says what to do."""
    try:
        yield
    except (InputError, UsageError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(
            f"TFDS cannot give the set {name!r} ({reason}); check the name, or prepare it where "
            "there is a network and set TFDS_DATA_DIR"
        ) from None


def _prepared(name: str) -> Any:
    """The TFDS builder of the set, its records on disk."""
    import tensorflow_datasets as tfds

    if os.path.isdir(name):
        return tfds.builder_from_directory(name)
    builder = tfds.builder(name)
    if not builder.is_prepared():
        cli.say(f"TFDS prepares {name}, which may take a download")
        builder.download_and_prepare()
    return builder


def _features(builder: Any, name: str) -> _Features:
    """The one picture and the one label of the set; those it calls supervised where it does."""
    import tensorflow_datasets as tfds

    found = dict(builder.info.features.items())
    images = [key for key, kind in found.items() if isinstance(kind, tfds.features.Image)]
    labels = [key for key, kind in found.items() if isinstance(kind, tfds.features.ClassLabel)]
    supervised: tuple[str, ...] = builder.info.supervised_keys or ()
    if len(supervised) == 2 and supervised[0] in images and supervised[1] in labels:
        images, labels = [supervised[0]], [supervised[1]]
    if len(images) != 1 or len(labels) != 1:
        raise InputError(
            f"the TFDS set {name!r} has {len(images)} pictures and {len(labels)} class labels an "
            "example, where one of each is needed; choose an image classification set"
        )
    filenames = [
        key
        for key, kind in found.items()
        if isinstance(kind, tfds.features.Text)
        and key.rpartition("/")[2] in ("filename", "file_name")
    ]
    return _Features(images[0], labels[0], filenames[0] if len(filenames) == 1 else "")


def _examples(builder: Any, features: _Features, split: str) -> Iterator[dict[str, Any]]:
    """The examples of a split in the order of its records, the pictures still encoded."""
    import tensorflow_datasets as tfds

    wanted = [key for key in dataclasses.astuple(features) if key]
    dataset = builder.as_dataset(
        split=split,
        shuffle_files=False,
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
        decoders=tfds.decode.PartialDecoding(
            dict.fromkeys(wanted, True),
            decoders={features.image: tfds.decode.SkipDecoding()},
        ),
    )
    yield from tfds.as_numpy(dataset)


def _keys(split: str, filenames: list[str]) -> list[str]:
    """A key for each example: split and file name, or its number where names do not tell."""
    if all(filenames) and len(set(filenames)) == len(filenames):
        return [f"{split}/{name}" for name in filenames]
    return [f"{split}/{number:06d}" for number in range(len(filenames))]


class Tfds(Source):
    """The pictures of all splits of a TFDS set, with its class names."""

    auto_order = 0
    takes_names = True

    @staticmethod
    def recognises(store: Store) -> bool:
        """Whether TFDS prepared the folder."""
        return all(
            os.path.isfile(os.path.join(store.path, name))
            for name in ("dataset_info.json", "features.json")
        )

    def scan(self) -> Listing:
        """The pictures, streamed once into a temporary file that `read` serves.

        Raises:
          InputError: TFDS does not know the set or cannot get it, or it holds other things.
        """
        cli.import_tensorflow()
        # TFDS talks on stdout, where only results belong.
        with contextlib.redirect_stdout(sys.stderr), _explained(self.path):
            builder = _prepared(self.path)
            features = _features(builder, self.path)
            names = tuple(builder.info.features[features.label].names)
            passed_over: Counter[str] = Counter()
            labelled = []
            with self.store.spool() as (file, path), zipfile.ZipFile(file, "w") as spool:
                for split in sorted(builder.info.splits):
                    labelled += self._spooled(builder, features, split, spool, passed_over)
            self.store.attach(_ARCHIVE, path)
        pairs = [(entry, names[label]) for entry, label in labelled]
        return listing(pairs, passed_over, path=self.path, known=names, classes=self.classes)

    def _spooled(
        self,
        builder: Any,
        features: _Features,
        split: str,
        spool: zipfile.ZipFile,
        passed_over: Counter[str],
    ) -> list[tuple[Entry, int]]:
        """(entry, label) of the labelled pictures of a split, after writing them to `spool`."""
        locators, filenames, labels = [], [], []
        for number, example in enumerate(_examples(builder, features, split)):
            name = f"{split}/{number:06d}"
            spool.writestr(name, bytes(example[features.image]))
            locators.append(self.store.archive_locator(_ARCHIVE, name))
            filename = bytes(example[features.filename]) if features.filename else b""
            filenames.append(filename.decode("utf-8", "backslashreplace").lstrip("/"))
            labels.append(int(example[features.label]))
        kept = []
        for key, locator, label in zip(_keys(split, filenames), locators, labels, strict=True):
            if label < 0:
                passed_over["unlabelled"] += 1
            else:
                kept.append((Entry(key, locator), label))
        return kept
