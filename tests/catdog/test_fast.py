"""The decoder "fast" gives the pictures that Pillow gives, and leaves to it what it cannot do."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog import _fast, images
from catdog.errors import UsageError

SIDE = 64
RNG = np.random.default_rng(0)


def photograph(width: int, height: int) -> Image.Image:
    """Colours that change smoothly, and some noise; no two corners are alike."""
    small = RNG.integers(0, 256, (6, 8, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    noise = RNG.integers(-12, 13, smooth.shape)
    return Image.fromarray(np.clip(smooth.astype(int) + noise, 0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def both(data: bytes, **options: object) -> tuple[images.Prepared, images.Prepared]:
    pair = [
        images.to_record(data, image_size=SIDE, decoder=decoder, **options)
        for decoder in images.DECODERS
    ]
    return pair[0], pair[1]


def outcome(data: bytes, decoder: str) -> str | bytes:
    """What becomes of the picture: the reason for its rejection, or its pixels."""
    try:
        return images.to_record(data, image_size=SIDE, decoder=decoder).pixels.tobytes()
    except images.RejectedPicture as error:
        return error.reason


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(photograph(150, 100), exif=exif)


@pytest.fixture(autouse=True)
def libraries() -> None:
    pytest.importorskip("simplejpeg")
    pytest.importorskip("cykooz_resizer")


COMMON = {
    "shrunk": saved(photograph(500, 375)),
    "shrunk a little": saved(photograph(77, 90)),
    "enlarged": saved(photograph(40, 30)),
    "wide and low": saved(photograph(300, 20)),
    "odd sizes": saved(photograph(151, 97)),
    "4:4:4": saved(photograph(150, 100), subsampling="4:4:4"),
    "4:2:2": saved(photograph(150, 100), subsampling="4:2:2"),
    "progressive": saved(photograph(150, 100), progressive=True),
    "stored as RGB": saved(photograph(150, 100), keep_rgb=True),
    "bytes behind its end": saved(photograph(150, 100)) + b"tail" * 50,
} | {f"EXIF orientation {number}": turned(number) for number in range(1, 9)}


@pytest.mark.parametrize("resize", images.RESIZES)
@pytest.mark.parametrize("kind", COMMON)
def test_a_common_jpeg_differs_by_rounding_only(kind: str, resize: str) -> None:
    slow, fast = both(COMMON[kind], resize=resize)
    difference = fast.pixels.astype(int) - slow.pixels.astype(int)
    # A shift of half a pixel, or of a colour, is a difference of many levels; the filter's own
    # coefficients differ by one in a few thousand.
    assert np.abs(difference).max() <= 3
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.2


def test_it_is_at_work_where_it_can_be() -> None:
    slow, fast = both(COMMON["shrunk"])
    header = _fast.frame(COMMON["shrunk"])
    assert header == (0xC0, 500, 375, True)
    pixels = _fast.decoded(COMMON["shrunk"], header, SIDE)
    assert pixels is not None
    made, small = _fast.squares(pixels, (0, 0, 500, 375), SIDE, 0)
    assert np.array_equal(made, fast.pixels) and small == b""
    assert not np.array_equal(slow.pixels, fast.pixels)


@pytest.mark.parametrize("kind", ["shrunk", "EXIF orientation 6"])
@pytest.mark.parametrize("quality", [50, 80, 95, 100])
def test_the_jpeg_is_as_near_to_those_pixels_as_pillows(kind: str, quality: int) -> None:
    fast = images.to_record(COMMON[kind], image_size=SIDE, decoder="fast", jpeg_quality=quality)
    bare = saved(Image.fromarray(fast.pixels), quality=quality, subsampling="4:2:0")
    assert (fast.jpeg == bare) == (quality > 95)  # below, libjpeg is told to be quick
    with Image.open(io.BytesIO(fast.jpeg)) as stored, Image.open(io.BytesIO(bare)) as usual:
        assert stored.layer == usual.layer  # chroma at half resolution
        assert stored.quantization == usual.quantization
        assert {*stored.info} == {*usual.info}  # no EXIF, no profile
        errors = [
            np.mean((np.asarray(image, float) - fast.pixels) ** 2) for image in (stored, usual)
        ]
    assert errors[0] < 1.1 * errors[1]  # of these pictures 1.05 times at most


@pytest.mark.parametrize("resize", images.RESIZES)
@pytest.mark.parametrize("kind", COMMON)
def test_it_is_compared_by_the_small_picture_that_pillow_makes(kind: str, resize: str) -> None:
    slow, fast = (
        images.to_square(COMMON[kind], image_size=SIDE, resize=resize, decoder=decoder, small=16)
        for decoder in images.DECODERS
    )
    levels = [np.frombuffer(square.small, np.uint8).astype(int) for square in (slow, fast)]
    assert len(levels[1]) == 16 * 16 * 3
    assert np.abs(levels[1] - levels[0]).max() <= 3


OTHERS = {
    "gray JPEG": saved(photograph(150, 100).convert("L")),
    "CMYK JPEG": saved(photograph(150, 100).convert("CMYK")),
    "PNG": saved(photograph(150, 100), "PNG"),
    "16-bit PNG": saved(Image.fromarray(RNG.integers(0, 65536, (60, 90), np.uint16)), "PNG"),
    "WebP": saved(photograph(150, 100), "WEBP"),
    "arithmetic, says its frame": saved(photograph(150, 100)).replace(b"\xff\xc0", b"\xff\xc9"),
    "lossless, says its frame": saved(photograph(150, 100)).replace(b"\xff\xc0", b"\xff\xc3"),
    "empty": b"",
    "text": b"no picture",
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_whatever_else_is_pillows(kind: str) -> None:
    assert outcome(OTHERS[kind], "fast") == outcome(OTHERS[kind], "pillow")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_cut_picture_is_rejected_for_the_same_reason(progressive: bool) -> None:
    data = saved(photograph(150, 100), progressive=progressive)
    header = data.index(b"\xff\xda") + 16
    for end in [*range(header), *range(header, len(data), 487), len(data) - 3, len(data) - 2]:
        cut = data[:end]
        slow = outcome(cut, "pillow")
        fast = outcome(cut, "fast")
        assert isinstance(slow, str) == isinstance(fast, str), end
        if isinstance(slow, str):
            assert fast == slow, end


def test_a_damaged_picture_is_judged_by_pillow() -> None:
    data = saved(photograph(150, 100))
    rejected = 0
    for place in range(2, len(data), 61):
        damaged = data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
        slow, fast = outcome(damaged, "pillow"), outcome(damaged, "fast")
        rejected += isinstance(slow, str)
        assert isinstance(slow, str) == isinstance(fast, str), place
        if isinstance(slow, str):
            assert fast == slow, place
    assert rejected


def test_a_picture_that_would_take_too_much_memory_is_left_to_pillow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = COMMON["shrunk"]
    need = len(data) + 500 * 375 * 9 + 4 * SIDE * 375
    monkeypatch.setattr(_fast._budget, "MEMORY_LIMIT", need)
    assert _fast.decoded(data, _fast.frame(data), SIDE) is not None
    monkeypatch.setattr(_fast._budget, "MEMORY_LIMIT", need - 1)
    assert _fast.decoded(data, _fast.frame(data), SIDE) is None


@pytest.mark.parametrize("end", [2, 3, 4, 5, 9])
def test_a_picture_may_end_within_its_frame(end: int) -> None:
    data = COMMON["shrunk"]
    frame = data.index(b"\xff\xc0")
    assert outcome(data[: frame + end], "fast") == outcome(data[: frame + end], "pillow")


def test_a_picture_without_metadata_needs_no_look_at_its_header(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare = [_fast.frame(data).bare for data in COMMON.values()]
    assert bare == [not kind.startswith(("EXIF", "stored as RGB")) for kind in COMMON]
    monkeypatch.setattr(Image, "open", None)
    made = images.to_record(COMMON["shrunk"], image_size=SIDE, decoder="fast")
    assert made.pixels.shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("kind", ["tiny", "4:4:4", "EXIF orientation 6"])
def test_a_damaged_header_is_judged_by_pillow(kind: str) -> None:
    data = saved(photograph(24, 18)) if kind == "tiny" else COMMON[kind]
    end = data.index(b"\xff\xda") + 14
    kept = 0
    for place in range(end):
        for flip in (0x01, 0x10, 0x80, 0xFF):
            damaged = data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]
            slow, fast = outcome(damaged, "pillow"), outcome(damaged, "fast")
            kept += not isinstance(slow, str)
            if isinstance(slow, str) or isinstance(fast, str):
                assert fast == slow, (place, flip)
            else:
                levels = [np.frombuffer(each, np.uint8).astype(int) for each in (slow, fast)]
                apart = levels[0] - levels[1]
                assert np.abs(apart).mean() < 3, (place, flip)
    assert 0 < kept < 4 * end


def test_the_budget_of_pixels_holds_without_a_look_at_the_header() -> None:
    for decoder in images.DECODERS:
        with pytest.raises(images.RejectedPicture, match="500 x 375 pixels, over the budget"):
            images.to_record(COMMON["shrunk"], decoder=decoder, max_pixels=500 * 375 - 1)


def test_without_the_libraries_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    _fast.libraries.cache_clear()
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    with pytest.raises(
        UsageError, match="pip install simplejpeg cykooz-resizer, or take --decoder=pillow"
    ) as caught:
        images.check_decoder("fast")
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    _fast.libraries.cache_clear()
    images.check_decoder("fast")


def test_an_unknown_decoder_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="pillow, fast, received 'quick'"):
        images.to_record(b"", decoder="quick")


def test_real_pictures_are_kept_and_rejected_alike(real_data: Path) -> None:
    import zipfile

    with zipfile.ZipFile(real_data / "petimages-1000.zip") as archive:
        names = sorted(archive.namelist())
        some = names[::50] + [name for name in names if archive.getinfo(name).file_size < 4000]
        for name in some:
            slow, fast = (outcome(archive.read(name), decoder) for decoder in images.DECODERS)
            assert isinstance(slow, str) == isinstance(fast, str), name
            if isinstance(slow, str):
                assert fast == slow, name
