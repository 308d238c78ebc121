"""Read a zip as a stream: its members have keys, never paths, and every read has a budget."""

import functools
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from typing import IO, Any

from catdog import _members
from catdog.errors import InputError

# A photograph of 50 megapixels has 10 to 30 MB. A member is in memory twice while it is unpacked,
# and a process that prepares pictures has 300 MB in all.
READ_LIMIT = 96 * 2**20
# Deflate shrinks at most 1032:1. Photographs hardly shrink; what does so this well is a bomb.
RATIO_LIMIT = 200
RATIO_FREE_BYTES = 4 * 2**20
MEMBER_LIMIT = 5_000_000

# zipfile bounds the memory of these two methods; of bzip2 and LZMA it does not.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED_FLAG = 0x1
_ODD_FLAGS = _ENCRYPTED_FLAG | 0x20 | 0x40  # or a patch, or encrypted strongly
_OWN_HEADER = 30  # bytes of a member's own header before its name

# What zipfile raises in reading a member; UnicodeError of the name in the member's own header.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    struct.error,
    UnicodeError,
)


class Slice(io.RawIOBase):
    """The `length` bytes of the file `path` from `start` on, as a seekable read-only file."""

    def __init__(self, path: str, start: int, length: int) -> None:
        super().__init__()
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._start = start
        self._length = length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        if base + offset < 0:
            # An OSError, as of any file: in a zip of 22 bytes zipfile asks for what is before it.
            raise io.UnsupportedOperation(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._length - self._position))
        data = os.pread(self._descriptor, wanted, self._start + self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on; the position stays where it is."""
        size = min(size, self._length - offset)
        return os.pread(self._descriptor, size, self._start + offset) if size > 0 else b""

    def close(self) -> None:
        if not self.closed and hasattr(self, "_descriptor"):
            os.close(self._descriptor)
        super().close()


def _problem(name: str, info: zipfile.ZipInfo) -> str | None:
    """Why a member is passed over; None when it can be read."""
    parts = name.split("/")
    if not name or name[0] == "/" or re.match("[A-Za-z]:", name) or ".." in parts:
        return "unsafe name"
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "link or special file in a zip"
    if info.flag_bits & _ENCRYPTED_FLAG:
        return "encrypted"
    if info.compress_type not in _METHODS:
        return "unknown compression"
    return None


def _take(members: _members.Members, passed_over: Counter[str], info: zipfile.ZipInfo) -> None:
    name = _members.key_of(info)
    problem = _problem(name, info)
    if name in ("", ".") or (name.endswith("/") and problem != "unsafe name"):
        return  # a folder is no file: the same tree unpacked gives the same counts
    if problem is None:
        members.add(name, info)
    else:
        passed_over[problem] += 1


class Archive:
    """The members of a zip that is a file of its own, or a slice of one.

    Attributes:
      members: key to zipfile's record of the member, which is made on each look; the key is its
        '/'-separated name.
      passed_over: how many members cannot be used, by reason.

    Raises:
      InputError: the bytes are no zip that can be read.
      OSError: the file cannot be opened.
    """

    def __init__(
        self, path: str, start: int = 0, length: int | None = None, *, name: str = ""
    ) -> None:
        """The zip in `length` bytes of the file `path`; messages call it `name`."""
        self.name = name or path
        self._start = start
        length = os.path.getsize(path) if length is None else length
        self._raw = Slice(path, start, length)
        self.members = _members.Members()
        self.passed_over: Counter[str] = Counter()
        take = functools.partial(_take, self.members, self.passed_over)
        try:
            self._zip = _members.Reader(io.BufferedReader(self._raw), take, limit=MEMBER_LIMIT)
        except (
            zipfile.BadZipFile,
            ValueError,
            EOFError,
            struct.error,
            NotImplementedError,
        ) as error:
            self._raw.close()
            raise InputError(
                f"{self.name} is not a zip that can be read ({error}); download or pack it again"
            ) from None
        if repeated := self.members.index():
            self.passed_over["repeated name"] = repeated

    def read(self, key: str, *, limit: int = READ_LIMIT) -> bytes:
        """The bytes of a member.

        Raises:
          InputError: it is over the budget of bytes or ratio, or damaged.
        """
        info = self.members[key]
        if info.file_size > limit:
            raise InputError(f"unpacks to {info.file_size} bytes, over the limit of {limit}")
        allowed = max(RATIO_FREE_BYTES, RATIO_LIMIT * info.compress_size)
        if info.file_size > allowed:
            raise InputError(
                f"unpacks from {info.compress_size} to {info.file_size} bytes, "
                f"over the limit of {RATIO_LIMIT} times"
            )
        if (stored := self._stored(info)) is not None:
            return stored
        try:
            with self._zip.open(info) as stream:
                # With a size zipfile unpacks no more than that, whatever the header claims.
                return stream.read(info.file_size + 1)
        except _DAMAGE as error:
            raise InputError(f"damaged in the zip ({error})") from None

    def _own_header(self, info: zipfile.ZipInfo) -> tuple[int, bytes, int] | None:
        """Flags and name in a member's own header, and where its bytes begin; None: no header."""
        header = self._raw.at(info.header_offset, _OWN_HEADER + 4 * len(info.orig_filename))
        if len(header) < _OWN_HEADER or header[:4] != b"PK\3\4":
            return None
        flags, name_length, extra_length = struct.unpack_from("<6xH18xHH", header)
        start = info.header_offset + _OWN_HEADER + name_length + extra_length
        return flags, header[_OWN_HEADER : _OWN_HEADER + name_length], start

    def _stored(self, info: zipfile.ZipInfo) -> bytes | None:
        """The bytes of an uncompressed member, read at once; None: see what zipfile says of it."""
        sizes_differ = info.compress_size != info.file_size
        if info.compress_type != zipfile.ZIP_STORED or sizes_differ or info.flag_bits & _ODD_FLAGS:
            return None
        if (found := self._own_header(info)) is None:
            return None
        flags, name, start = found
        try:
            known = info.orig_filename.encode("utf-8" if flags & _members.UTF8_FLAG else "cp437")
        except UnicodeError:
            return None
        data = self._raw.at(start, info.file_size) if name == known else b""
        sound = name == known and len(data) == info.file_size and zlib.crc32(data) == info.CRC
        return data if sound else None

    def stored_region(self, key: str) -> tuple[int, int] | None:
        """Where (start in the file, length) the bytes of an uncompressed member lie, else None."""
        info = self.members[key]
        if info.compress_type != zipfile.ZIP_STORED:
            return None
        if (found := self._own_header(info)) is None:
            raise InputError(f"{self.name}: the member {key!r} is damaged; download it again")
        return self._start + found[2], info.file_size

    def copy(self, key: str, target: IO[bytes]) -> None:
        """Writes the bytes of a large member to `target`, in pieces.

        Raises:
          InputError: it is over the budget of ratio, or damaged.
        """
        info = self.members[key]
        if info.file_size > RATIO_LIMIT * info.compress_size + RATIO_FREE_BYTES:
            raise InputError(
                f"{self.name}: the member {key!r} unpacks more than {RATIO_LIMIT} times"
            )
        try:
            with self._zip.open(info) as stream:
                while piece := stream.read(2**20):
                    target.write(piece)
        except _DAMAGE as error:
            raise InputError(
                f"{self.name}: the member {key!r} is damaged ({error}); download it again"
            ) from None

    def close(self) -> None:
        """Lets go of the file; the archive cannot be read afterwards."""
        self._zip.close()
        self._raw.close()
