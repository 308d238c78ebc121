"""Predicts the classes of pictures: files, folders and zips, into one CSV.

python -m catdog.predict --model_dir=RUN cat.jpg folder/ pictures.zip
"""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from catdog import cli, files, images
from catdog.config import PredictConfig
from catdog.errors import InputError, UsageError
from catdog.pictures import ENDINGS, Named, check_paths, open_pictures
from catdog.training import checkpoints

# Pictures that are prepared, and then kept as JPEGs of about 30 kB, at a time.
_CHUNK = 512


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


def _rows(
    loaded: Any, named: Iterator[Named], config: PredictConfig
) -> Iterator[tuple[str, Any, str]]:
    """(name, probabilities or None, reason of the reject or "") of each picture, in order."""
    from catdog.data import pipeline, views
    from catdog.training import distribution
    from catdog.training.predict import Predictor

    slice_ = distribution.slice_of(loaded.strategy, config.batch_size)
    predictor = Predictor(loaded.model, loaded.strategy, views.find(config.views))
    size = loaded.preparation["image_size"]
    prepare = _preparer(loaded.preparation, config.max_pixels)

    def probabilities(jpegs: list[bytes]) -> Iterator[Any]:
        if jpegs:
            found = predictor(
                lambda: pipeline.encoded_dataset(jpegs, image_size=size, slice_=slice_),
                examples=len(jpegs),
                batch_size=config.batch_size,
            )
            yield from found.probabilities

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in _chunks(named):
            prepared = list(pool.map(prepare, [read for _, read in chunk]))
            found = probabilities([jpeg for jpeg, reason in prepared if not reason])
            for (name, _), (_, reason) in zip(chunk, prepared, strict=True):
                yield name, None if reason else next(found), reason


def _write(
    path: Path, rows: Iterator[tuple[str, Any, str]], class_names: Sequence[str]
) -> tuple[Counter[str], int]:
    """Writes the CSV; how many pictures each class got, and how many were rejected."""
    counts: Counter[str] = Counter()
    rejected = 0
    table: list[list[str]] = []
    for name, probabilities, reason in rows:
        if probabilities is None:
            rejected += 1
            table.append([name, "", "", *[""] * len(class_names), reason])
            continue
        best = int(probabilities.argmax())
        counts[class_names[best]] += 1
        numbers = [f"{value:.6f}" for value in probabilities]
        table.append([name, class_names[best], numbers[best], *numbers, ""])
        if len(table) % _CHUNK == 0:
            cli.say(f"{len(table)} pictures done")
    if table:
        header = ["file", "class", "probability", *class_names, "error"]
        files.write_whole(path, files.csv_text(header, table))
    return counts, rejected


def main(config: PredictConfig, paths: list[str]) -> dict[str, Any]:
    """How many pictures got which class; the CSV has a row for each picture."""
    check_paths(paths)
    model_dir = cli.existing_folder(config.model_dir, "model_dir")
    cli.existing_folder(str(Path(config.output_file).parent), "output_file's folder")
    if Path(config.output_file).is_dir():
        raise UsageError(f"--output_file must name a file, received {config.output_file!r}")
    checkpoint = checkpoints.find(model_dir, config.checkpoint)
    cli.import_tensorflow()
    from catdog import parts

    loaded = parts.load_model(checkpoint, devices=config.devices, precision_name=config.precision)
    with open_pictures(paths) as named:
        counts, rejected = _write(
            Path(config.output_file), _rows(loaded, named, config), loaded.class_names
        )
    if not counts and not rejected:
        raise InputError(
            f"no pictures in {', '.join(paths)}; names of pictures end in {', '.join(ENDINGS)}"
        )
    return {
        "pictures": sum(counts.values()),
        "rejected": rejected,
        "classes": {name: counts[name] for name in loaded.class_names},
        "output_file": config.output_file,
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, PredictConfig, positional="PATH…")


if __name__ == "__main__":
    run()
