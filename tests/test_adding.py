"""docs/adding.md: every file that it shows is found by its name and does its work."""

import importlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from catdog import parts, registry
from catdog.schema import Statistics

ROOT = Path(__file__).resolve().parent.parent
SHOWN = re.compile(
    r"^`((?:catdog|data_tools)/\w+)/(\w+)\.py`\n\n```python\n(.*?)^```$", re.M | re.S
)
STATISTICS = Statistics((120.0,) * 3, (60.0,) * 3, ((1.0, 0.0, 0.0),) * 3)

pytestmark = pytest.mark.repository


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """{room: name} of the document's files, which are in their rooms while the tests run."""
    folder = tmp_path_factory.mktemp("adding")
    found: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        for room, name, content in SHOWN.findall((ROOT / "docs/adding.md").read_text()):
            (folder / room).mkdir(parents=True)
            (folder / room / f"{name}.py").write_text(content)
            package = room.replace("/", ".")
            module = importlib.import_module(package)
            patch.setattr(module, "__path__", [*module.__path__, str(folder / room)])
            found[package] = name
        yield found


def test_there_is_one_example_for_each_room(shown: dict[str, str]) -> None:
    kinds = ("augmentations", "evaluators", "models", "optimizers", "schedules")
    assert sorted(shown) == [*(f"catdog.{kind}" for kind in kinds), "data_tools.sources"]
    for room, name in shown.items():
        assert name in registry.names(room)


def test_every_command_of_the_document_names_a_file_that_it_shows(shown: dict[str, str]) -> None:
    commands = re.findall(
        r"^    python .*(?:\n      .*)*", (ROOT / "docs/adding.md").read_text(), re.M
    )
    for name in shown.values():
        assert any(re.search(rf"[=,]{name}\b", command) for command in commands), name


def test_every_test_that_the_document_names_is_there_and_asks_the_registry() -> None:
    named = re.findall(r"`(tests/\S+/test_\w+\.py)`", (ROOT / "docs/adding.md").read_text())
    assert len(named) == 6
    for path in named:
        assert "registry.names(" in (ROOT / path).read_text(), path


def test_the_model_gives_logits_and_learns(shown: dict[str, str]) -> None:
    description = {
        "name": shown["catdog.models"],
        "options": ["layers=1", "width=0.1"],
        "num_classes": 3,
        "mean": [120.0] * 3,
        "std": [60.0] * 3,
    }
    model: Any = parts.make_model(description, seed=0, dtype="float32")
    images = np.random.default_rng(0).integers(0, 256, (4, 112, 112, 3), dtype=np.uint8)
    with tf.GradientTape() as tape:
        logits = model(images)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits([0, 1, 2, 0], logits)
    assert isinstance(model, keras.Model)
    assert (logits.shape, logits.dtype) == ((4, 3), tf.float32)
    np.testing.assert_allclose(loss, np.log(3), rtol=1e-6)
    assert np.abs(tape.gradient(loss, model.head.kernel.value)).max() > 0


def test_the_optimizer_equals_keras(shown: dict[str, str]) -> None:
    rule = parts.make_optimizer(shown["catdog.optimizers"], ("beta1=0.8",))
    oracle = keras.optimizers.Adam(0.01, beta_1=0.8, epsilon=1e-8)
    weight, slots = tf.constant([1.0, -2.0]), (tf.zeros(2), tf.zeros(2))
    expected = keras.Variable(weight)
    for step in range(5):
        oracle.apply([2.0 * weight], [expected])
        weight, slots = rule.update(weight, 2.0 * weight, slots, learning_rate=0.01, step=step)
        np.testing.assert_allclose(weight, expected, rtol=1e-5)


def test_the_score_equals_the_one_of_the_house(shown: dict[str, str]) -> None:
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 2, 50), rng.dirichlet([1, 1], 50).round(1)
    found, house = (
        parts.make_evaluator(name).score(labels, probabilities.astype(np.float32))
        for name in (shown["catdog.evaluators"], "auc")
    )
    assert found == pytest.approx(house, abs=1e-12)


def test_the_schedule_rises_and_falls(shown: dict[str, str]) -> None:
    schedule = parts.make_schedule(
        shown["catdog.schedules"],
        ("warmup_steps=4",),
        learning_rate=0.2,
        total_steps=20,
        steps_per_epoch=5,
    )
    assert [round(schedule.rate(step), 6) for step in (0, 3, 15)] == [0.05, 0.2, 0.1]


def test_the_augmentation_covers_a_square_of_the_cut_picture(shown: dict[str, str]) -> None:
    name = shown["catdog.augmentations"]
    names, options = ("random_crop_flip", name), (f"{name}.side=0.5",)
    made = parts.make_augmentations(names, options, 64, STATISTICS)[1]
    covered = [
        np.argwhere(made(tf.zeros([64, 64, 3], tf.uint8), tf.constant([7, n], tf.int64))[..., 0])
        for n in range(4)
    ]
    assert len({tuple(places.mean(0)) for places in covered}) == 4
    for places in covered:
        sides = np.ptp(places, axis=0) + 1
        assert len(places) == sides.prod()
        assert (sides >= 16).all() and (sides <= 33).all()


def test_the_source_is_built_from(shown: dict[str, str], tmp_path: Path) -> None:
    from data_tools.sources import open_source

    (tmp_path / "in").mkdir()
    for name in ("Maine_Coon_12.jpg", "beagle_7.png", "beagle_8.jpg"):
        content = io.BytesIO()
        Image.new("RGB", (9, 9)).save(content, "PNG")
        (tmp_path / "in" / name).write_bytes(content.getvalue())
    for layout in (shown["data_tools.sources"], "auto"):
        source = open_source(str(tmp_path / "in"), layout=layout)
        listing = source.scan()
        assert listing.class_names == ("Maine_Coon", "beagle")
        assert [(item.key, item.label) for item in listing.items] == [
            ("Maine_Coon_12.jpg", 0),
            ("beagle_7.png", 1),
            ("beagle_8.jpg", 1),
        ]
        source.close()
