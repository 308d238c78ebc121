"""Predicts the classes of pictures: files, folders and zips, into one CSV or JSON lines.

python -m catdog.predict --model_dir=RUN cat.jpg folder/ pictures.zip
find folder -name "*.jpg" | python -m catdog.predict --model_dir=RUN --output_file=out.jsonl -

A `-` among the paths reads more of them from stdin, one a line. Where a picture's name tells its
class (dog/7.jpg, dog.7.jpg), right predictions are counted, and marked in the --gallery.
"""

import dataclasses
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from catdog import cli, files, images
from catdog.config import PredictConfig
from catdog.errors import InputError, UsageError
from catdog.pictures import ENDINGS, STDIN, Named, check_paths, open_pictures, true_class
from catdog.reports.gallery import Gallery
from catdog.training import checkpoints

# Pictures that are prepared, and then kept as JPEGs of about 30 kB, at a time.
_CHUNK = 512


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a model says of a picture.

    Attributes:
      name: the picture's path; of a zip's member the zip's path, a slash and its name there.
      class_name: the most probable class; None where there is an error.
      probability: of that class, 0…1; None where there is an error.
      probabilities: {class: probability} in the order of the model's classes; they add up to 1.
      error: why the picture could not be used; empty when it could.
    """

    name: str
    class_name: str | None
    probability: float | None
    probabilities: dict[str, float]
    error: str


def _chunks(named: Iterator[Named]) -> Iterator[list[Named]]:
    while chunk := list(itertools.islice(named, _CHUNK)):
        yield chunk


def _preparer(
    preparation: dict[str, Any], max_pixels: int
) -> Callable[[Callable[[], bytes]], tuple[bytes, str]]:
    """A function from a picture's read to (JPEG as a record would hold it, reason of a reject)."""

    def prepare(read: Callable[[], bytes]) -> tuple[bytes, str]:
        try:
            prepared = images.to_record(
                read(),
                image_size=preparation["image_size"],
                resize=preparation["resize"],
                jpeg_quality=preparation["jpeg_quality"],
                max_pixels=max_pixels,
            )
        except images.RejectedPicture as error:
            return b"", error.reason
        except InputError as error:
            return b"", str(error)
        return prepared.jpeg, ""

    return prepare


def _prediction(name: str, class_names: Sequence[str], probabilities: Any) -> Prediction:
    best = int(probabilities.argmax())
    numbers = dict(zip(class_names, probabilities.tolist(), strict=True))
    return Prediction(name, class_names[best], numbers[class_names[best]], numbers, "")


def predictions(
    loaded: Any, named: Iterator[Named], *, batch_size: int, views: str, max_pixels: int
) -> Iterator[tuple[Prediction, bytes]]:
    """Each picture's prediction, in order, with its JPEG as the model saw it (empty on an error).

    Args:
      loaded: a `parts.LoadedModel`.
      named: what `pictures.open_pictures` gives.
      batch_size: pictures a step, over all devices.
      views: "center" or "ten".
      max_pixels: larger pictures are an error.
    """
    from catdog.data import pipeline
    from catdog.data import views as all_views
    from catdog.training import distribution
    from catdog.training.predict import Predictor

    slice_ = distribution.evaluation_slice(loaded.strategy, batch_size)
    predictor = Predictor(loaded.model, loaded.strategy, all_views.find(views))
    size = loaded.preparation["image_size"]
    prepare = _preparer(loaded.preparation, max_pixels)

    def probabilities(jpegs: list[bytes]) -> Iterator[Any]:
        if jpegs:
            found = predictor(
                lambda: pipeline.encoded_dataset(jpegs, image_size=size, slice_=slice_),
                examples=len(jpegs),
                batch_size=batch_size,
            )
            yield from found.probabilities

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in _chunks(named):
            prepared = list(pool.map(prepare, [read for _, read in chunk]))
            found = probabilities([jpeg for jpeg, error in prepared if not error])
            for (name, _), (jpeg, error) in zip(chunk, prepared, strict=True):
                if error:
                    yield Prediction(name, None, None, {}, error), b""
                else:
                    yield _prediction(name, loaded.class_names, next(found)), jpeg


def _top(prediction: Prediction, top_k: int) -> list[tuple[str, float]]:
    """The `top_k` most probable classes, all of them for 0; ties in the order of the classes."""
    ranked = sorted(prediction.probabilities.items(), key=lambda entry: -entry[1])
    return ranked[: top_k or None]


Line = Callable[[Prediction, str], str]


def _csv(class_names: Sequence[str], top_k: int) -> tuple[str, Line]:
    """The header, and a function from a prediction and the true class to its line."""
    places = min(top_k, len(class_names))
    if places:
        columns = [f"{what}_{n + 1}" for n in range(places) for what in ("class", "probability")]
    else:
        columns = ["class", "probability", *class_names]

    def line(prediction: Prediction, truth: str) -> str:
        if prediction.error:
            cells = [""] * len(columns)
        elif places:
            cells = [t for name, p in _top(prediction, places) for t in (name, f"{p:.6f}")]
        else:
            numbers = [f"{value:.6f}" for value in prediction.probabilities.values()]
            cells = [str(prediction.class_name), f"{prediction.probability:.6f}", *numbers]
        return files.csv_text([prediction.name, *cells, prediction.error, truth], [])

    return files.csv_text(["file", *columns, "error", "truth"], []), line


def _jsonl(class_names: Sequence[str], top_k: int) -> tuple[str, Line]:
    """As `_csv`, with no header."""
    del class_names

    def line(prediction: Prediction, truth: str) -> str:
        ranked = [(name, round(value, 6)) for name, value in _top(prediction, top_k)]
        content = {
            "file": prediction.name,
            "class": ranked[0][0] if ranked else None,
            "probability": ranked[0][1] if ranked else None,
            "classes": [{"class": name, "probability": value} for name, value in ranked],
            "error": prediction.error or None,
            "truth": truth or None,
        }
        return json.dumps(content) + "\n"

    return "", line


_FORMATS = {".csv": _csv, ".jsonl": _jsonl}


@dataclasses.dataclass
class _Tally:
    """What has been counted so far."""

    classes: Counter[str] = dataclasses.field(default_factory=Counter)
    rejected: int = 0
    known: int = 0
    correct: int = 0

    def count(self, prediction: Prediction, truth: str) -> None:
        if prediction.class_name is None:
            self.rejected += 1
            return
        self.classes[prediction.class_name] += 1
        self.known += bool(truth)
        self.correct += prediction.class_name == truth


def _write(
    file: BinaryIO,
    rows: Iterator[tuple[Prediction, bytes]],
    table: tuple[str, Line],
    truths: Sequence[str],
    gallery: Gallery,
) -> _Tally:
    """Writes a line for each prediction as it comes, and shows it to the gallery."""
    header, line = table
    tally = _Tally()
    file.write(header.encode())
    for done, (prediction, jpeg) in enumerate(rows, start=1):
        truth = true_class(prediction.name, truths)
        file.write(line(prediction, truth).encode())
        tally.count(prediction, truth)
        if prediction.class_name is not None and prediction.probability is not None:
            gallery.add(
                jpeg,
                name=prediction.name,
                class_name=prediction.class_name,
                probability=prediction.probability,
                truth=truth,
            )
        if done % _CHUNK == 0:
            cli.say(f"{done} pictures done")
    return tally


def _file_to_write(path: str, flag: str, endings: Sequence[str]) -> Path:
    """The path, when a file of one of these endings can be made there."""
    file = Path(path)
    cli.existing_folder(str(file.parent), f"{flag}'s folder")
    if file.is_dir():
        raise UsageError(f"--{flag} must name a file, received {path!r}")
    if file.suffix.lower() not in endings:
        raise UsageError(f"--{flag} must end in {' or '.join(endings)}, received {path!r}")
    return file


def main(config: PredictConfig, paths: list[str]) -> dict[str, Any]:
    """How many pictures got which class, and how many of them rightly, where that is known."""
    check_paths(paths)
    model_dir = cli.existing_folder(config.model_dir, "model_dir")
    output_file = _file_to_write(config.output_file, "output_file", tuple(_FORMATS))
    pictures = [_file_to_write(name, "gallery", (".png",)) for name in (config.gallery,) if name]
    checkpoint = checkpoints.find(model_dir, config.checkpoint)
    cli.import_tensorflow()
    from catdog import parts

    loaded = parts.load_model(checkpoint, devices=config.devices, precision_name=config.precision)
    table = _FORMATS[output_file.suffix.lower()](loaded.class_names, config.top_k)
    truths = loaded.class_names if config.truth == "auto" else ()
    gallery = Gallery(config.gallery_pictures if pictures else 0)
    names = sys.stdin.buffer if STDIN in paths else None
    with open_pictures(paths, names=names) as named, files.whole_file(output_file) as file:
        rows = predictions(
            loaded,
            named,
            batch_size=config.batch_size,
            views=config.views,
            max_pixels=config.max_pixels,
        )
        tally = _write(file, rows, table, truths, gallery)
        if not tally.classes and not tally.rejected:
            where = ", ".join("the names on stdin" if path == STDIN else path for path in paths)
            raise InputError(
                f"no pictures in {where}; names of pictures end in {', '.join(ENDINGS)}"
            )
    for path in pictures:
        gallery.write(path)
    return {
        "pictures": tally.classes.total(),
        "rejected": tally.rejected,
        "classes": {name: tally.classes[name] for name in loaded.class_names},
        "known": tally.known,
        "correct": tally.correct,
        "accuracy": tally.correct / tally.known if tally.known else None,
        "output_file": config.output_file,
        "gallery": config.gallery or None,
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, PredictConfig, positional="PATH…")


if __name__ == "__main__":
    run()
