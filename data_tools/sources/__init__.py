"""Element 1's way in: one layout of labelled pictures a file. The file's name is --layout's value.

With `--layout=auto` the layouts are tried by their `auto_order`: tfds (a folder that TFDS
prepared), petimages, kaggle, and image_folder, which fits most things, last.
"""

import os
import zipfile

from catdog import registry
from catdog.errors import InputError
from data_tools.sources._source import Item, Listing, Source
from data_tools.sources._store import Store

__all__ = ["AUTO", "Item", "Listing", "Source", "open_source"]

AUTO = "auto"


def _recognised(store: Store) -> type[Source]:
    layouts = [registry.find(__name__, name, Source) for name in registry.names(__name__)]
    for layout in sorted(layouts, key=lambda layout: layout.auto_order):
        if layout.recognises(store):
            return layout
    raise InputError(
        f"{store.path} fits no layout ({', '.join(registry.names(__name__))}): give a folder or a "
        "zip with cat.1.jpg and dog.1.jpg in it, or with one folder of pictures a class"
    )


def open_source(path: str, *, layout: str = AUTO, classes: tuple[str, ...] = ()) -> Source:
    """The source at `path`, which is a folder, a zip or (layout tfds) the name of a TFDS set.

    Raises:
      UsageError: an unknown layout.
      InputError: the path is missing, no folder and no zip, or fits no layout.
    """
    chosen = None if layout == AUTO else registry.find(__name__, layout, Source)
    if chosen is not None and chosen.takes_names:
        return chosen(path, classes=classes)
    if not os.path.exists(path):
        raise InputError(
            f"--source={path} is not there; give a folder or a zip of pictures "
            "(or, with --layout=tfds, the name of a TFDS set)"
        )
    if not os.path.isdir(path) and not zipfile.is_zipfile(path):
        raise InputError(f"--source={path} is neither a folder nor a zip; give one of the two")
    if chosen is not None:
        return chosen(path, classes=classes)
    store = Store(path)  # its zips are listed once for all layouts, and for the source
    try:
        return _recognised(store)(path, classes=classes, store=store)
    except BaseException:
        store.close()
        raise
