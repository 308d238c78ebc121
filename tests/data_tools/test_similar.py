"""Copies of a picture look alike, other pictures do not, and flat ones look like nothing."""

import io
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from catdog import images
from data_tools import _scenes, _similar, _similar_pairs

Copy = Callable[[Image.Image], bytes]


def encoded(image: Image.Image, kind: str = "JPEG", quality: int = 90) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, quality=quality)
    return stream.getvalue()


def resized(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)))


def turned(image: Image.Image) -> bytes:
    """Stored lying on its side, with the note that it is."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


COPIES: dict[str, Copy] = {
    "quality 60": lambda image: encoded(image, quality=60),
    "70 %": lambda image: encoded(resized(image, 0.7)),
    "twice as large": lambda image: encoded(resized(image, 2.0)),
    "squeezed": lambda image: encoded(image.resize((150, 100))),
    "PNG": lambda image: encoded(image, "PNG"),
    "WebP": lambda image: encoded(image, "WEBP", 80),
    "gray": lambda image: encoded(ImageOps.grayscale(image)),
    "darker": lambda image: encoded(image.point(lambda level: round(level * 0.8))),
    "turned": turned,
    "mirrored": lambda image: encoded(ImageOps.mirror(image)),
    "mirrored, 70 %, quality 60": lambda image: encoded(
        resized(ImageOps.mirror(image), 0.7), quality=60
    ),
}

PAINTED = [_scenes.paint(3, label, number) for label in ("cat", "dog") for number in range(10)]


def prints(pictures: list[bytes]) -> _similar.Prints:
    return _similar.prints([_similar.look(images.to_square(data, small=16)) for data in pictures])


def apart(made: _similar.Prints, first: int, second: int) -> tuple[float, bool]:
    distance, mirrored = _similar.distances(made, np.array([first]), np.array([second]))
    return float(distance[0]), bool(mirrored[0])


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_near_and_mirrored_if_it_is(kind: str) -> None:
    for image in PAINTED:
        made = prints([encoded(image), COPIES[kind](image)])
        distance, mirrored = apart(made, 0, 1)
        assert distance <= _similar.NEAR
        assert mirrored == ("mirrored" in kind)


def test_other_pictures_are_not_near() -> None:
    made = prints([encoded(image) for image in PAINTED])
    pairs = np.array(list(itertools.combinations(range(len(PAINTED)), 2))).T
    distance, _ = _similar.distances(made, *pairs)
    assert distance.min() > 3 * _similar.NEAR


def test_the_same_thing_in_another_colour_is_another_picture() -> None:
    red = Image.new("RGB", (64, 64), "white")
    red.paste((200, 60, 60), (10, 20, 40, 60))
    gray = ImageOps.grayscale(red)
    # as bright as the red one, so that only the colour tells them apart
    blue = Image.composite(red, Image.new("RGB", (64, 64), (60, 82, 240)), gray.point(_is_white))
    made = prints([encoded(picture, "PNG") for picture in (red, blue, gray)])
    assert apart(made, 0, 1) == (2.0, False)
    assert apart(made, 0, 2)[0] < 0.001


def _is_white(level: int) -> int:
    return 255 if level > 250 else 0


def flat(name: str) -> Image.Image:
    if name == "slope":
        return Image.linear_gradient("L").resize((120, 90))
    if name == "noise":
        noise = np.random.default_rng(0).normal(128, 12, (120, 160, 3)).clip(0, 255)
        return Image.fromarray(noise.astype(np.uint8))
    return Image.new("RGB", (160, 120), name)


@pytest.mark.parametrize("name", ["black", "white", "#345678", "slope", "noise"])
def test_a_flat_picture_has_no_detail(name: str) -> None:
    made = prints([encoded(flat(name)), encoded(PAINTED[0])])
    assert _similar.has_detail(made.luma).tolist() == [False, True]


def test_every_drawn_picture_has_detail() -> None:
    assert _similar.has_detail(prints([encoded(image) for image in PAINTED]).luma).all()


@pytest.mark.parametrize("stored", [16, 64, 256, 300])
def test_a_look_is_the_picture_resized_from_any_format(stored: int) -> None:
    image = PAINTED[1].resize((331, 203)).filter(ImageFilter.GaussianBlur(3))
    wanted = np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC)).astype(int)
    for data in (encoded(image, "PNG"), encoded(image, quality=95), turned(image)):
        look = _similar.look(images.to_square(data, image_size=stored, small=16))
        assert look.source_pixels == 331 * 203
        found = np.frombuffer(look.pixels, np.uint8).reshape(16, 16, 3)
        assert np.abs(found - wanted).mean() < 2
    assert len(_similar.prints([]).pixels) == 0
    with pytest.raises(ValueError, match="a small one of 16"):
        _similar.look(images.to_square(encoded(image), small=8))


@pytest.mark.parametrize("kind", ["70 %", "twice as large", "turned", "mirrored"])
@pytest.mark.parametrize(("stored", "resize"), [(32, "squash"), (96, "crop"), (512, "squash")])
def test_copies_are_near_in_squares_of_other_kinds(kind: str, stored: int, resize: str) -> None:
    for image in PAINTED:
        pair = [encoded(image), COPIES[kind](image)]
        squares = [
            images.to_square(data, image_size=stored, resize=resize, small=16) for data in pair
        ]
        made = _similar.prints([_similar.look(square) for square in squares])
        distance, mirrored = apart(made, 0, 1)
        assert distance <= _similar.NEAR
        assert mirrored == ("mirrored" in kind)


def test_the_hash_is_the_signs_of_the_cosine_transform() -> None:
    luma = np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)
    waves = sorted(
        ((v, u) for v in range(16) for u in range(16) if u + v), key=lambda w: (sum(w), w)
    )[:64]
    bits = np.unpackbits(_similar.hashes(luma, np.arange(3), mirrored=False), axis=1)
    for picture, found in zip(luma.astype(float), bits, strict=True):
        for rank, (v, u) in enumerate(waves):
            total = sum(
                picture[y, x]
                * math.cos(math.pi * v * (2 * y + 1) / 32)
                * math.cos(math.pi * u * (2 * x + 1) / 32)
                for y in range(16)
                for x in range(16)
            )
            if abs(total) > 50:  # the cosines are rounded to thousandths
                assert found[rank % 8 * 8 + rank // 8] == (total > 0)


def blurred(count: int, seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 256, (count, 16, 16), np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(n).filter(ImageFilter.GaussianBlur(1.5))) for n in noise]
    )


def test_all_pairs_that_differ_in_six_bits_are_found_mirrored_or_not() -> None:
    luma = blurred(150, 0)
    noise = np.random.default_rng(1).integers(-4, 5, luma.shape)
    changed = (luma.astype(int) + noise).clip(0, 255).astype(np.uint8)
    luma = np.concatenate([luma, changed, changed[:, :, ::-1]])
    rows = np.arange(len(luma))
    straight, mirrored = (
        np.unpackbits(_similar.hashes(luma, rows, mirrored=turn), axis=1) for turn in (False, True)
    )
    wanted = {
        (i, j)
        for i, j in itertools.combinations(range(len(luma)), 2)
        if min((straight[i] != straight[j]).sum(), (straight[i] != mirrored[j]).sum()) <= 6
    }
    found = {
        pair
        for first, second in _similar_pairs.rounds(luma, rows)
        for pair in zip(first.tolist(), second.tolist(), strict=True)
    }
    assert len(wanted) > 250  # 150 exact mirror images, and changed ones
    assert wanted <= found


def test_pictures_that_all_hash_alike_do_not_make_all_pairs() -> None:
    luma = np.repeat(blurred(1, 0), 3000, axis=0)
    sizes = [len(first) for first, _ in _similar_pairs.rounds(luma, np.arange(3000))]
    assert len(sizes) == 28 * 64
    assert max(sizes) <= 2 * 3000  # of 4.5 million pairs
