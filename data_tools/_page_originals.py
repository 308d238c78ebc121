"""The pictures that a data set was built from, where they can still be read."""

import dataclasses
import hashlib
import io
import warnings

from PIL import Image

from catdog import images, schema
from data_tools import _page_records
from data_tools._scan import READ_ERRORS
from data_tools.sources import Source, open_source

_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)


@dataclasses.dataclass(frozen=True)
class Original:
    """Width and height of a source picture, as it is seen upright, and its bytes."""

    width: int
    height: int
    bytes: int


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the upright picture by its header, which alone is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=images.FORMATS)
            turned = image.getexif().get(_ORIENTATION) in _TURNED
        except MemoryError:
            raise
        except Exception:  # Pillow's readers raise almost anything on a damaged header
            return None
    return image.size[::-1] if turned else image.size


class Originals:
    """Reads the source of a data set again.

    Attributes:
      found: originals that are what they were when the data set was built.
      lost: those that are gone, or other ones now.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._locators = {item.key: item.locator for item in source.scan().items}
        self.found = self.lost = 0

    def read(self, key: str) -> bytes | None:
        """The bytes of the source picture of this key; None when it cannot be read."""
        try:
            return self._source.read(self._locators[key])
        except (KeyError, *READ_ERRORS):
            return None

    def measured(self, record: _page_records.Record) -> Original | None:
        """The size of the example's original; None when it is not what it was."""
        data = self.read(record.key)
        same = data is not None and hashlib.sha256(data).hexdigest() == record.sha256
        size = _size(data) if data is not None and same else None
        if size is None or data is None:
            self.lost += 1
            return None
        self.found += 1
        return Original(*size, len(data))

    def thumbnail(self, data: bytes, side: int) -> bytes:
        """The picture as a square JPEG of `side` pixels; empty when it cannot be decoded."""
        try:
            return images.to_record(data, image_size=side, jpeg_quality=75).jpeg
        except images.RejectedPicture:
            return b""

    def close(self) -> None:
        """Closes the source."""
        self._source.close()


def open_originals(source: str, manifest: schema.Manifest) -> Originals | None:
    """The originals at the path `source`; None when it is empty.

    Raises:
      InputError, UsageError: the source cannot be read as the layout that the manifest names.
    """
    if not source:
        return None
    return Originals(open_source(source, layout=manifest.source.get("layout", "auto")))
