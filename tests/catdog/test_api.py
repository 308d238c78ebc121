"""The Python calls: their docstrings and docs/python.md are run, and say what is true."""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog import api
from catdog.errors import InputError, UsageError
from data_tools import api as tools_api
from data_tools import sample

ROOT = Path(__file__).resolve().parent.parent.parent
CALLS = (
    tools_api.build,
    api.dataset,
    api.training_dataset,
    api.train,
    api.evaluate,
    api.predict,
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """{call: how its docstring's examples went}, in a folder that is the working one from then on.

    The examples go on from each other: build makes the data that all others read.
    """
    folder = tmp_path_factory.mktemp("api")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    finder = doctest.DocTestFinder(recurse=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        sample.main(sample.Config(output_dir="pictures", pictures=20, broken=0))
        found = {}
        for call in CALLS:
            (test,) = finder.find(call, call.__name__, globs={})
            found[call.__name__] = runner.run(test)
        yield found


@pytest.mark.parametrize("name", [call.__name__ for call in CALLS])
def test_the_examples_of_the_docstring_are_true(name: str, examples: dict[str, Any]) -> None:
    assert examples[name].failed == 0, "the captured output shows which"
    assert examples[name].attempted >= 2


def test_dataset_gives_the_middle_of_each_stored_picture_in_order(
    examples: dict[str, Any],
) -> None:
    import tensorflow as tf

    from catdog import schema

    files = sorted(str(path) for path in Path("data").glob("*validation.tfrecord*"))
    expected = [
        (tf.image.decode_jpeg(record["encoded"]).numpy()[78:178, 78:178], int(record["label"]))
        for record in tf.data.TFRecordDataset(files).map(schema.parse)
    ]
    batches = api.dataset(Path("data"), "validation", batch_size=3, image_size=100)
    assert len(batches) == 2
    images, labels = (
        np.concatenate(parts) for parts in zip(*batches.as_numpy_iterator(), strict=True)
    )
    assert (images.dtype, labels.dtype) == (np.uint8, np.int32)
    np.testing.assert_array_equal(images, [image for image, _ in expected])
    np.testing.assert_array_equal(labels, [label for _, label in expected])


def test_training_batches_hold_every_picture_once_an_epoch_in_another_order(
    examples: dict[str, Any],
) -> None:
    def read(seed: int) -> list[Any]:
        options = {"augmentation": ("random_crop_flip",), "image_size": 250, "seed": seed}
        batches = api.training_dataset("data", batch_size=6, epochs=2, **options)
        assert len(batches) == 6
        return list(batches.as_numpy_iterator())

    first, again, other = read(1), read(1), read(2)
    assert [len(labels) for _, labels in first] == [6, 6, 4] * 2
    for (images, labels), (same_images, same_labels) in zip(first, again, strict=True):
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(labels, same_labels)
    assert any((a[0] != b[0]).any() for a, b in zip(first, other, strict=True) if len(a[0]) == 6)
    # Crops of 250 out of 256 pixels hardly change a picture's mean, mirrored or not.
    one, two = (
        np.concatenate([b[0] for b in part]).mean((1, 2)) for part in (first[:3], first[3:])
    )
    assert not np.allclose(one, two, atol=3), "the order differs"
    distances = np.abs(one[:, None] - two[None]).max(-1)
    assert sorted(distances.argmin(1)) == list(range(16)), "the pictures do not"


def test_a_keras_model_of_two_lines_learns_from_it(examples: dict[str, Any]) -> None:
    import keras

    model = keras.Sequential([keras.layers.Rescaling(1 / 255), keras.layers.Flatten()])
    model.add(keras.layers.Dense(2))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    data = api.dataset("data", "train", batch_size=6, image_size=32)
    model.build((None, 32, 32, 3))
    before = model.layers[-1].kernel.numpy().copy()
    fitted = model.fit(data, validation_data=data, epochs=1, shuffle=False, verbose=0)
    assert np.isfinite(fitted.history["loss"]).all()
    assert np.abs(model.layers[-1].kernel.numpy() - before).max() > 0


def test_predict_takes_one_path_and_tells_broken_pictures(examples: dict[str, Any]) -> None:
    Path("odd").mkdir(exist_ok=True)
    Path("odd/empty.jpg").write_bytes(b"")
    (broken,) = api.predict(Path("model"), Path("odd"), views="center")
    assert broken == api.Prediction("odd/empty.jpg", None, None, {}, "empty file")
    (sound,) = api.predict("model", "pictures/train/dog.1.jpg", views="center", checkpoint="last")
    assert sound.class_name is not None
    assert sound.probability == sound.probabilities[sound.class_name]
    assert list(sound.probabilities) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: api.train(api.TrainConfig(data_dir="data")), "model_dir is required"),
        (lambda: api.evaluate(api.EvaluateConfig("data", "model", views="all")), "center, ten"),
        (lambda: api.predict("model", []), "no pictures named"),
        (lambda: api.predict("model", "nowhere.jpg"), "there is no file"),
        (lambda: api.predict("nowhere", "pictures"), "existing folder"),
        (lambda: api.predict("model", "pictures", batch_size=0), "batch_size must be at least 1"),
        (lambda: api.dataset("data", "test"), "train, validation"),
        (lambda: api.dataset("data", "train", image_size=257), "1 to 256"),
        (lambda: api.dataset("data", "train", batch_size=0), "at least 1"),
        (lambda: api.training_dataset("data", epochs=0), "epochs must be at least 1"),
        (
            lambda: api.training_dataset("data", augmentation=("random_crop_flip", "mixup")),
            "mixup mixes classes",
        ),
        (lambda: tools_api.build(tools_api.BuildConfig("data", "pictures")), "already holds"),
        (
            lambda: tools_api.build(tools_api.BuildConfig("pictures", "new", image_size=1)),
            "image_size must be at least 8",
        ),
    ],
)
def test_a_mistake_raises_what_the_command_would_say(
    call: Any, words: str, examples: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=words):
        call()


def test_a_folder_without_data_is_an_input_error(examples: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="build_tfrecords first"):
        api.dataset("pictures", "train")


@pytest.mark.repository
def test_the_blocks_of_the_document_run_one_after_the_other(
    examples: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/python.md").read_text(), re.M | re.S
    )
    assert len(blocks) == 5
    capsys.readouterr()
    space: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), space)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "{'train': 16, 'validation': 4}"
    assert printed[1].endswith(space["trained"]["checkpoint"])
    assert list(space["scores"])[3:-1] == ["accuracy", "auc", "calibration_error"]
    assert space["scores"]["accuracy"] == space["trained"]["accuracy"]
    assert len(space["predictions"]) == 20
    assert len(space["fitted"].history["val_accuracy"]) == 2


def test_importing_the_calls_does_not_import_tensorflow() -> None:
    code = "import sys, catdog.api, data_tools.api; sys.exit('tensorflow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *sys.path)))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == 0
