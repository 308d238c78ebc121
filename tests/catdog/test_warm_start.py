"""A run starts from another one's weights, whatever its classes, and from no other model's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import parts, resume, schema, warm_start
from catdog.errors import MismatchError, UsageError
from catdog.training import checkpoints
from catdog.training.progress import Extent

STATISTICS = schema.Statistics((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), ((1.0,) * 3,) * 3)


def _about(classes: int, name: str = "alexnet", init_from: str = "") -> dict[str, Any]:
    about: dict[str, Any] = {"name": name, "options": [], "num_classes": classes}
    return {
        "config": {"init_from": init_from},
        "data_fingerprint": "0",
        "model": about | {"mean": [7.0] * 3, "std": [8.0] * 3},
        "class_names": [str(number) for number in range(classes)],
        "preparation": {},
    }


def _variables(classes: int, value: float, *, units: int = 4) -> dict[str, tf.Variable]:
    shapes = {"fc7/kernel": (2, units), "fc8/kernel": (units, classes), "fc8/bias": (classes,)}
    kinds = ("weights", "velocity", "ema")
    return {
        f"{kind}/{name}": tf.Variable(tf.fill(shape, value))
        for kind in kinds
        for name, shape in shapes.items()
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A run of two classes whose best weights are all 5."""
    weights = {k: v for k, v in _variables(2, 5.0).items() if k.startswith("weights/")}
    checkpoints.save(tmp_path / "checkpoints", "best", 3, weights, _about(2), keep=1)
    return tmp_path


def _start(model_dir: Path, about: dict[str, Any], variables: dict[str, Any]) -> resume.Start:
    return resume.start(model_dir, about, variables, Extent(40, 5, 15))


def _values(variables: dict[str, tf.Variable]) -> dict[str, set[float]]:
    return {name: set(np.ravel(variable.numpy()).tolist()) for name, variable in variables.items()}


@pytest.mark.parametrize("which", ["run", "checkpoint"])
def test_weights_and_averages_are_those_of_the_source_and_slots_are_not(
    source: Path, tmp_path_factory: pytest.TempPathFactory, which: str
) -> None:
    named = source if which == "run" else source / "checkpoints/best-000003"
    variables = _variables(2, 1.0)
    found = _start(tmp_path_factory.mktemp("new"), _about(2, init_from=str(named)), variables)
    assert found.progress.epoch == 0
    for name, values in _values(variables).items():
        assert values == ({1.0} if name.startswith("velocity") else {5.0}), name


def test_other_classes_are_learned_anew(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variables = _variables(3, 1.0)
    warm_start.fill(warm_start.checkpoint_of(str(source)), variables, _about(3))
    values = _values(variables)
    assert values["weights/fc7/kernel"] == values["ema/fc7/kernel"] == {5.0}
    assert values["weights/fc8/kernel"] == values["ema/fc8/bias"] == {1.0}
    assert "weights/fc8/bias, weights/fc8/kernel learned anew" in capsys.readouterr().err


def _named(*names: str) -> dict[str, Any]:
    return _about(len(names)) | {"class_names": list(names)}


def _of_cats_and_dogs(folder: Path) -> Path:
    """A checkpoint whose last layer has 5 for cats and 6 for dogs; fc7 is two wide as well."""
    variables = _variables(2, 5.0, units=2)
    for name in ("weights/fc8/kernel", "weights/fc8/bias"):
        variables[name].assign(variables[name] + [0.0, 1.0])
    weights = {k: v for k, v in variables.items() if k.startswith("weights/")}
    checkpoints.save(folder / "checkpoints", "best", 3, weights, _named("cat", "dog"), keep=1)
    return warm_start.checkpoint_of(str(folder))


@pytest.mark.parametrize(
    ("names", "row"),
    [
        (("cat", "dog"), [5.0, 6.0]),
        (("dog", "cat"), [6.0, 5.0]),
        (("cat", "fox"), [1.0, 1.0]),
        (("fox", "wolf"), [1.0, 1.0]),
    ],
)
def test_as_many_classes_are_matched_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, str], row: list[float]
) -> None:
    variables = _variables(2, 1.0, units=2)
    warm_start.fill(_of_cats_and_dogs(tmp_path), variables, _named(*names))
    for kind in ("weights", "ema"):
        assert variables[f"{kind}/fc8/bias"].numpy().tolist() == row
        assert variables[f"{kind}/fc8/kernel"].numpy().tolist() == [row, row]
        assert set(np.ravel(variables[f"{kind}/fc7/kernel"].numpy()).tolist()) == {5.0}
    assert ("learned anew" in capsys.readouterr().err) == (row == [1.0, 1.0])


@pytest.mark.parametrize("name", ["alexnet", "resnet", "densenet"])
def test_the_weights_of_the_classes_are_those_of_the_last_layer(name: str) -> None:
    about = _about(2, name)["model"] | {"mean": [1.0] * 3, "std": [1.0] * 3}
    about |= {"options": ["width=0.05"]}
    weights = parts.weights(parts.make_model(about, seed=0, dtype="float32"))
    shapes = {key: list(variable.shape) for key, variable in weights.items()}
    last = {"alexnet": "fc8"}.get(name, "fc")
    found = warm_start._of_classes(weights, shapes, about, about)
    assert found == {f"weights/{last}/kernel", f"weights/{last}/bias"}


def test_another_model_or_width_is_a_mismatch(source: Path) -> None:
    checkpoint = warm_start.checkpoint_of(str(source))
    with pytest.raises(MismatchError, match="holds the model alexnet, this run trains resnet"):
        warm_start.fill(checkpoint, _variables(2, 1.0), _about(2, "resnet"))
    with pytest.raises(MismatchError, match=r"fc\d/kernel has shape"):
        warm_start.fill(checkpoint, _variables(3, 1.0, units=6), _about(3))


def test_other_options_of_the_same_weights_are_told(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = warm_start.checkpoint_of(str(source))
    about = _about(2)
    warm_start.fill(checkpoint, _variables(2, 1.0), about)
    assert "note" not in capsys.readouterr().err
    about["model"]["options"] = ["variant=modern"]
    warm_start.fill(checkpoint, _variables(2, 1.0), about)
    told = capsys.readouterr().err
    assert "learned with variant=fixed, this run has modern" in told
    assert "give --model_option=variant=fixed if that is not meant" in told


def test_a_source_that_is_none_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="--init_from must be a run's folder"):
            warm_start.checkpoint_of(str(folder))


def test_the_input_is_scaled_as_the_weights_are_used_to(source: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    own = {"mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]}
    inherited = {"mean": [7.0] * 3, "std": [8.0] * 3}
    assert warm_start.input_statistics(new, "", STATISTICS) == own
    assert warm_start.input_statistics(new, str(source), STATISTICS) == inherited
    saved = _about(2) | {"progress": {}}
    checkpoints.save(new / "checkpoints", "last", 1, {"w": tf.Variable(1.0)}, saved, keep=2)
    assert warm_start.input_statistics(new, "gone by now", STATISTICS) == inherited
    (new / "checkpoints/last-000001/about.json").write_text("{")
    assert warm_start.input_statistics(new, "", STATISTICS) == own
