"""Hostile and odd pictures: each is kept or rejected with a reason, and no worker grows large."""

import csv
import importlib
import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog import schema
from data_tools._workers import workers
from data_tools.sources import open_source

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parent.parent.parent
LONG = os.environ.get("CATDOG_FAULTS") == "long"
COMMAND = [sys.executable, "-m", "data_tools.build_tfrecords"]

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def flat(mode: str, width: int, height: int, kind: str, **options: object) -> bytes:
    return saved(Image.new(mode, (width, height)), kind, **options)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and brings next to no pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99)))


EXIF = Image.Exif()
EXIF[0x0112] = 6
SIXTEEN = Image.fromarray(np.arange(5400, dtype=np.uint16).reshape(60, 90))
FRAMES = {"save_all": True, "append_images": [Image.new("RGB", (90, 60))]}
JPEG = saved(NOISE, "JPEG")

# name: the file's bytes, and how the reason for its rejection begins; "" when it is kept.
KINDS = {
    "empty": (b"", "empty file"),
    "cut": (JPEG[:-500], "damaged JPEG"),
    "cut progressive": (saved(NOISE, "JPEG", progressive=True)[:-500], "damaged JPEG"),
    "cut PNG": (saved(NOISE, "PNG")[:-500], "damaged PNG"),
    "header alone": (JPEG[:20], "not a JPEG"),
    "HTML": (b"<!DOCTYPE html><html>404</html>", "not a JPEG"),
    "zeros": (bytes(4000), "not a JPEG"),
    "PPM": (saved(NOISE, "PPM"), "not a JPEG"),
    "float": (saved(Image.new("F", (9, 9)), "TIFF"), "pixels of the kind F"),
    "bomb over the budget": (png_header(10_000, 5_001), "10000 x 5001 pixels, over"),
    "bomb over Pillow's": (png_header(60_000, 60_000), "more pixels than Pillow"),
    "long side": (png_header(1, 70_000), "1 x 70000 pixels, over"),
    "49 megapixels that bring none": (png_header(7000, 7000), "damaged PNG"),
    "plain": (JPEG, ""),
    "progressive": (saved(NOISE, "JPEG", progressive=True), ""),
    "CMYK": (saved(NOISE.convert("CMYK"), "JPEG"), ""),
    "gray": (saved(NOISE.convert("L"), "JPEG"), ""),
    "EXIF turned": (saved(NOISE, "JPEG", exif=EXIF), ""),
    "RGBA": (saved(NOISE.convert("RGBA"), "PNG"), ""),
    "gray and alpha": (saved(NOISE.convert("LA"), "PNG"), ""),
    "palette": (saved(NOISE.quantize(16), "PNG"), ""),
    "palette, see-through": (saved(NOISE.quantize(16), "PNG", transparency=3), ""),
    "one bit": (saved(NOISE.convert("1"), "PNG"), ""),
    "16 bit": (saved(SIXTEEN, "PNG"), ""),
    "PNG named jpg": (saved(NOISE, "PNG"), ""),
    "WebP named jpg": (saved(NOISE, "WEBP"), ""),
    "animated GIF": (saved(NOISE, "GIF", **FRAMES), ""),
    "animated WebP": (saved(NOISE, "WEBP", **FRAMES), ""),
    "BMP": (saved(NOISE, "BMP"), ""),
    "TIFF": (saved(NOISE, "TIFF", compression="tiff_lzw"), ""),
    "1x1": (flat("RGB", 1, 1, "PNG"), ""),
    "20000x1": (flat("RGB", 20_000, 1, "PNG"), ""),
    "1x20000": (flat("RGB", 1, 20_000, "PNG"), ""),
    "tail": (JPEG + b"tail", ""),
}


def odd_folder(folder: Path) -> dict[str, str]:
    """The reasons by key, "" for kept, of the pictures that it puts there, with odd files."""
    reasons = {}
    for name in ("cat", "dog"):
        (folder / name).mkdir()
    for number, (data, reason) in enumerate(KINDS.values()):
        key = f"{('cat', 'dog')[number % 2]}/{number}.jpg"
        (folder / key).write_bytes(data)
        reasons[key] = reason
    for key in ("cat/né 猫 \u202e.jpg", "dog/\n1.jpg", 'cat/"q", =1.jpg', "dog/<img src=x>.jpg"):
        (folder / key).write_bytes(JPEG)
        reasons[key] = ""
    (folder / os.fsdecode(b"cat/\xff.jpg")).write_bytes(JPEG)
    reasons["cat/\\xff.jpg"] = ""
    os.symlink("loop.jpg", folder / "cat" / "loop.jpg")
    os.symlink("nowhere", folder / "dog" / "dangling.jpg")
    os.symlink("..", folder / "cat" / "up.jpg")
    os.mkfifo(folder / "dog" / "pipe.jpg")
    return reasons


def test_each_of_39_kinds_is_kept_or_rejected_with_a_reason(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    reasons = odd_folder(folder)
    locked = folder / "cat" / "locked.jpg"
    locked.write_bytes(JPEG)
    locked.chmod(0)
    readable = os.access(locked, os.R_OK)  # root reads everything
    reasons["cat/locked.jpg"] = "" if readable else "cannot be read: Permission denied"
    files = [path for path in folder.rglob("*") if path.is_file() and path != locked]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    result = {}
    for count in (1, 3):
        output = tmp_path / f"data{count}"
        flags = [f"--source={folder}", f"--output_dir={output}", f"--workers={count}"]
        command = [*COMMAND, *flags, "--image_size=16", "--num_shards=1"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        result[count] = {path.name: path.read_bytes() for path in output.iterdir()}
    assert result[1] == result[3]
    with (tmp_path / "data1" / "rejects.csv").open(newline="", encoding="utf-8") as file:
        rejected = {row["key"].removeprefix("'"): row["reason"] for row in csv.DictReader(file)}
    assert set(rejected) == {key for key, reason in reasons.items() if reason}
    for key, reason in rejected.items():
        assert reason.startswith(reasons[key]), (key, reason)
    manifest = schema.read_manifest(tmp_path / "data1")
    assert manifest.counts["kept"] == len(reasons) - len(rejected)
    assert manifest.counts["passed_over"] == {"link to a folder": 1, "not a regular file": 3}
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files} == before


# Each has 49 megapixels, or a side at the limit.
GIANTS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: flat("RGB", 7000, 7000, "JPEG"),
    "progressive JPEG": lambda: flat("RGB", 7000, 7000, "JPEG", progressive=True),
    "progressive CMYK": lambda: flat("CMYK", 7000, 7000, "JPEG", progressive=True),
    "PNG": lambda: flat("RGB", 7000, 7000, "PNG", compress_level=1),
    "PNG with alpha": lambda: flat("RGBA", 7000, 7000, "PNG", compress_level=1),
    "gray and alpha": lambda: flat("LA", 7000, 7000, "PNG", compress_level=1),
    "16 bit": lambda: flat("I;16", 7000, 7000, "PNG", compress_level=1),
    "palette": lambda: flat("P", 7000, 7000, "PNG", compress_level=1, transparency=0),
    "WebP": lambda: flat("RGB", 7000, 7000, "WEBP", lossless=True, method=0),
    "smaller WebP": lambda: flat("RGBA", 4000, 3500, "WEBP", lossless=True, method=0),
    "GIF": lambda: flat("P", 7000, 7000, "GIF"),
    "BMP": lambda: flat("L", 7000, 7000, "BMP"),
    "TIFF": lambda: flat("RGB", 7000, 7000, "TIFF", compression="tiff_lzw"),
    "smaller TIFF in one strip": lambda: flat(
        "RGB", 5000, 5000, "TIFF", compression="tiff_lzw", tiffinfo={278: 5000}
    ),
    "high": lambda: flat("RGB", 740, 65_500, "JPEG"),
    "wide": lambda: flat("RGB", 65_500, 740, "JPEG"),
    "20000 x 1": lambda: flat("RGB", 20_000, 1, "PNG"),
    "many zeros": lambda: bytes(90 * 2**20),
    "PNG header": lambda: png_header(7000, 7000),
}
SOME = ("JPEG", "progressive JPEG", "PNG with alpha", "WebP", "high", "20000 x 1", "many zeros")
# The largest that the decoder "fast" takes on at 256 pixels; more goes to Pillow.
FAST: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: flat("RGB", 5190, 5190, "JPEG"),
    "all of the colour": lambda: flat("RGB", 5190, 5190, "JPEG", subsampling="4:4:4"),
    "progressive JPEG": lambda: flat("RGB", 3990, 3990, "JPEG", progressive=True),
}
TOO_LARGE = {"high", "progressive JPEG", "progressive CMYK", "WebP", "TIFF"}


def peak_of(data: bytes, folder: Path, act: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the act finds in a picture that a worker gets twice, and the most MiB it had then."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "data_tools"))
    acts = importlib.import_module("worker_acts")
    with zipfile.ZipFile(folder / "pictures.zip", "w", zipfile.ZIP_STORED) as archive:
        for name in ("cat.0.jpg", "dog.0.jpg"):
            archive.writestr(name, data)
    source = open_source(str(folder / "pictures.zip"), layout="kaggle")
    locators = [item.locator for item in source.scan().items]
    with workers(source, 1) as pool:  # twice: what the first one leaves behind counts, too
        lost = pool.map(getattr(acts, act), locators, lost=lambda _, reason: (f"lost: {reason}", 0))
        (found, _), (again, peak) = list(lost)
    print(f"{act}: {peak} MiB, {found or 'kept'}")
    assert found == again
    assert 0 < peak <= 300
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("kind", GIANTS if LONG else SOME)
def test_a_worker_stays_below_300_mb(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = peak_of(GIANTS[kind](), tmp_path, "peak", monkeypatch)
    assert not reason.startswith("lost")
    assert ("MiB to decode" in reason) == (kind in TOO_LARGE)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("kind", FAST)
def test_it_does_with_the_fast_decoder_too(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("simplejpeg")
    pytest.importorskip("cykooz_resizer")
    assert peak_of(FAST[kind](), tmp_path, "peak_of_fast", monkeypatch) == "fast"
