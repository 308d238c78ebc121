"""Every kind of sound picture is stored upright, in RGB, with the pixels that it shows."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile, features

from catdog import images
from catdog.errors import UsageError

SIDE = 64


def gradient(width: int = 90, height: int = 60) -> Image.Image:
    """A smooth RGB picture whose four corners differ, so that turning it cannot go unseen."""
    x = np.linspace(0, 1, width)[None, :]
    y = np.linspace(0, 1, height)[:, None]
    planes = [200 * x + 20 + 0 * y, 180 * y + 40 + 0 * x, 230 - 100 * x - 80 * y]
    return Image.fromarray(np.stack(planes, axis=-1).round().astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def expected(image: Image.Image) -> np.ndarray:
    """Pillow's own way, all at once, from a picture in RGB."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def pixels(data: bytes, **options: object) -> np.ndarray:
    return images.to_record(data, image_size=SIDE, **options).pixels


def near(found: np.ndarray, wanted: np.ndarray, tolerance: int) -> None:
    difference = np.abs(found.astype(int) - wanted.astype(int)).max()
    assert difference <= tolerance, difference


def turned_jpeg(orientation: int) -> bytes:
    """A JPEG that shows `gradient()` when it is turned as its EXIF says."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = gradient() if undo is None else gradient().transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, "JPEG", quality=100, subsampling=0, exif=exif)


def gray16() -> tuple[bytes, np.ndarray]:
    values = (np.arange(60 * 90, dtype=np.uint32).reshape(60, 90) * 12).astype(np.uint16)
    gray = Image.fromarray(np.round(values / 257).astype(np.uint8))
    return saved(Image.fromarray(values), "PNG"), expected(gray.convert("RGB"))


def on_white(image: Image.Image, alpha: np.ndarray) -> Image.Image:
    share = alpha[:, :, None] / 255
    blend = np.asarray(image) * share + 255 * (1 - share)
    return Image.fromarray(blend.round().astype(np.uint8))


def with_alpha() -> tuple[Image.Image, np.ndarray]:
    alpha = np.tile(np.linspace(0, 255, 90).astype(np.uint8), (60, 1))
    image = gradient().convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    return image, expected(on_white(gradient(), alpha))


def animation() -> bytes:
    frames = [gradient().quantize(64), Image.new("RGB", (90, 60), "red").quantize(2)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def palette_with_transparency() -> tuple[bytes, np.ndarray]:
    image = Image.new("P", (90, 60), 0)
    image.putpalette([200, 30, 40, 10, 20, 250])
    image.paste(1, (45, 0, 90, 60))
    data = saved(image, "PNG", transparency=0)
    shown = Image.new("RGB", (90, 60), "white")
    shown.paste((10, 20, 250), (45, 0, 90, 60))
    return data, expected(shown)


def gray_with_transparent_value() -> tuple[bytes, np.ndarray]:
    values = np.full((60, 90), 77, np.uint8)
    values[:, :45] = 5
    shown = np.where(values == 5, 255, values).astype(np.uint8)
    data = saved(Image.fromarray(values), "PNG", transparency=5)
    return data, expected(Image.fromarray(shown).convert("RGB"))


def black_and_white() -> tuple[bytes, np.ndarray]:
    image = Image.new("1", (90, 60), 0)
    image.paste(1, (0, 0, 30, 60))
    return saved(image, "PNG"), expected(image.convert("RGB"))


PLAIN = expected(gradient())
GRAY = expected(gradient().convert("L").convert("RGB"))
QUANTIZED = gradient().quantize(64)
PALETTE = expected(QUANTIZED.convert("RGB"))

# name: (the file, what its pixels should be, by how much they may differ). Lossless kinds: 0, or
# 1 where alpha is rounded; the lossy ones differ by what their codec loses on a smooth picture.
KEPT = {
    "JPEG": (saved(gradient(), "JPEG", quality=100, subsampling=0), PLAIN, 4),
    "progressive JPEG": (
        saved(gradient(), "JPEG", quality=100, subsampling=0, progressive=True), PLAIN, 4,
    ),
    "gray JPEG": (saved(gradient().convert("L"), "JPEG", quality=100), GRAY, 4),
    "CMYK JPEG": (saved(gradient().convert("CMYK"), "JPEG", quality=100), PLAIN, 6),
    "PNG (named .jpg or not)": (saved(gradient(), "PNG"), PLAIN, 0),
    "interlaced rows of PNG with palette": (saved(QUANTIZED, "PNG"), PALETTE, 0),
    "PNG with alpha": (saved(with_alpha()[0], "PNG"), with_alpha()[1], 1),
    "PNG with gray and alpha": (
        saved(gradient().convert("LA"), "PNG"), GRAY, 0,
    ),
    "PNG with 16-bit gray": (*gray16(), 0),
    "PNG of one bit": (*black_and_white(), 0),
    "PNG with a transparent palette entry": (*palette_with_transparency(), 1),
    "PNG with a transparent gray value": (*gray_with_transparent_value(), 1),
    "GIF": (saved(QUANTIZED, "GIF"), PALETTE, 0),
    "animated GIF: its first frame": (animation(), PALETTE, 0),
    "BMP": (saved(gradient(), "BMP"), PLAIN, 0),
    "WebP": (saved(gradient(), "WEBP", lossless=True), PLAIN, 0),
    "WebP with alpha": (saved(with_alpha()[0], "WEBP", lossless=True, exact=True),
                        with_alpha()[1], 1),
    "animated WebP: its first frame": (
        saved(gradient(), "WEBP", save_all=True, lossless=True,
              append_images=[Image.new("RGB", (90, 60), "red")]), PLAIN, 0,
    ),
    "TIFF": (saved(gradient(), "TIFF"), PLAIN, 0),
    "TIFF with LZW": (saved(gradient(), "TIFF", compression="tiff_lzw"), PLAIN, 0),
    "one pixel": (saved(Image.new("RGB", (1, 1), (9, 99, 199)), "PNG"),
                  np.full((SIDE, SIDE, 3), (9, 99, 199)), 0),
    "20000 pixels wide and one high": (
        saved(Image.new("RGB", (20_000, 1), (1, 2, 3)), "PNG"), np.full((SIDE, SIDE, 3), (1, 2, 3)),
        0,
    ),
    "one pixel wide and 20000 high": (
        saved(Image.new("RGB", (1, 20_000), (1, 2, 3)), "PNG"), np.full((SIDE, SIDE, 3), (1, 2, 3)),
        0,
    ),
    "bytes after the end": (saved(gradient(), "PNG") + b"tail", PLAIN, 0),
    "damaged EXIF": (
        saved(gradient(), "JPEG", quality=100, subsampling=0,
              exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"),
        PLAIN, 4,
    ),
} | {
    f"EXIF orientation {orientation}": (turned_jpeg(orientation), PLAIN, 5)
    for orientation in range(1, 9)
}  # fmt: skip


@pytest.mark.parametrize("kind", KEPT)
def test_a_sound_picture_is_kept_with_the_pixels_it_shows(kind: str) -> None:
    data, wanted, tolerance = KEPT[kind]
    near(pixels(data), wanted, tolerance)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))


def test_the_budget_is_the_callers() -> None:
    data = saved(gradient(), "PNG")
    assert pixels(data, max_pixels=5400).shape == (SIDE, SIDE, 3)
    with pytest.raises(images.RejectedPicture, match="90 x 60 pixels, over the budget of 5399"):
        pixels(data, max_pixels=5399)


def test_a_cut_picture_is_rejected_even_when_another_library_allowed_them() -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with pytest.raises(images.RejectedPicture):
            pixels(saved(NOISE, "JPEG")[:3000])
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def test_strips_change_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images._pillow, "_STRIP_PIXELS", 90 * 7)
    near(pixels(saved(NOISE, "PNG")), expected(NOISE), 0)


def test_shrinking_is_antialiased() -> None:
    checks = np.indices((1024, 1024)).sum(axis=0) % 2 * 255
    found = pixels(saved(Image.fromarray(checks.astype(np.uint8)), "PNG"))
    near(found, np.full((SIDE, SIDE, 3), 127.5), 2)  # sampling without a filter gives 0 or 255


def test_crop_takes_the_middle_square() -> None:
    wanted = expected(gradient().crop((15, 0, 75, 60)))
    near(pixels(saved(gradient(), "PNG"), resize="crop"), wanted, 0)
    tall = gradient(60, 90)
    wanted = expected(tall.crop((0, 15, 60, 75)))
    near(pixels(saved(tall, "PNG"), resize="crop"), wanted, 0)


def test_an_unknown_resize_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="squash, crop, received 'fit'"):
        pixels(saved(gradient(), "PNG"), resize="fit")


def test_the_jpeg_is_the_pixels_at_the_quality_and_420() -> None:
    prepared = images.to_record(saved(gradient(), "PNG"), image_size=SIDE)
    with Image.open(io.BytesIO(prepared.jpeg)) as stored:
        assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (SIDE, SIDE))
        # components: sampling factors 2x2 for luma, 1x1 for both chromas
        assert [component[1:3] for component in stored.layer] == [(2, 2), (1, 1), (1, 1)]
        # the first luma quantizer at quality 95 is round(16 * 0.1) = 2
        assert stored.quantization[0][0] == 2
        near(np.asarray(stored), prepared.pixels, 6)


def test_nothing_but_pixels_is_carried_along() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    data = saved(gradient(), "JPEG", exif=exif, comment=b"secret comment", icc_profile=b"secret")
    prepared = images.to_record(data, image_size=SIDE)
    assert b"secret" in data
    assert b"secret" not in prepared.jpeg
    with Image.open(io.BytesIO(prepared.jpeg)) as stored:
        assert not stored.getexif()
        assert set(stored.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_no_warning_escapes_and_the_filters_stay_as_they_were() -> None:
    before = list(warnings.filters)
    pixels(KEPT["damaged EXIF"][0])
    assert warnings.filters == before


def test_every_format_can_be_read_here() -> None:
    assert features.check("webp")
    assert features.check("libtiff")
