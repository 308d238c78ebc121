"""Predicts the classes of pictures: files, folders and zips, into one CSV.

python -m catdog.predict --model_dir=RUN cat.jpg folder/ pictures.zip
"""

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from catdog import archive, cli, files, images
from catdog.config import PredictConfig
from catdog.errors import InputError, UsageError

# Pictures that are prepared and held in memory at a time; about 15 MB as JPEGs.
_CHUNK = 512

_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")


def pictures_in(paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each picture; unreadable ones come with empty content.

    Args:
      paths: of files, of folders (read at any depth, in the order of the names) and of zips;
        within folders and zips, what has a picture's ending.

    Raises:
      InputError: a zip that cannot be read.
    """
    for given in paths:
        path = Path(given)
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.suffix.lower() in _ENDINGS and file.is_file():
                    yield str(file), _content(file)
        elif path.suffix.lower() == ".zip":
            yield from _members(given)
        else:
            yield given, _content(path)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.stat().st_size <= archive.READ_LIMIT else b""
    except OSError:
        return b""


def _members(path: str) -> Iterator[tuple[str, bytes]]:
    opened = archive.Archive(path)
    try:
        for key in sorted(opened.members):
            if Path(key).suffix.lower() in _ENDINGS:
                try:
                    content = opened.read(key)
                except InputError:
                    content = b""
                yield f"{path}/{key}", content
    finally:
        opened.close()


def _chunks(pictures: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    while chunk := list(itertools.islice(pictures, _CHUNK)):
        yield chunk


def _rows(
    loaded: Any, paths: Sequence[str], config: PredictConfig
) -> Iterator[tuple[str, Any, str]]:
    """(name, probabilities or None, reason of the reject or "") of each picture, in order."""
    from catdog.data import pipeline, views
    from catdog.training import distribution
    from catdog.training.predict import Predictor

    slice_ = distribution.slice_of(loaded.strategy, config.batch_size)
    predictor = Predictor(loaded.model, loaded.strategy, views.find(config.views))
    size = loaded.preparation["image_size"]

    def prepare(content: bytes) -> tuple[bytes, str]:
        try:
            prepared = images.to_record(
                content,
                image_size=size,
                resize=loaded.preparation["resize"],
                jpeg_quality=loaded.preparation["jpeg_quality"],
                max_pixels=config.max_pixels,
            )
        except images.RejectedPicture as error:
            return b"", error.reason
        return prepared.jpeg, ""

    def probabilities(jpegs: list[bytes]) -> Iterator[Any]:
        if jpegs:
            found = predictor(
                lambda: pipeline.encoded_dataset(jpegs, image_size=size, slice_=slice_),
                examples=len(jpegs),
                batch_size=config.batch_size,
            )
            yield from found.probabilities

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in _chunks(pictures_in(paths)):
            prepared = list(pool.map(prepare, [content for _, content in chunk]))
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
    if not paths:
        raise UsageError("nothing to predict; give paths of pictures, folders or zips")
    cli.existing_folder(config.model_dir, "model_dir")
    cli.existing_folder(str(Path(config.output_file).parent), "output_file's folder")
    if Path(config.output_file).is_dir() or not Path(config.output_file).name:
        raise UsageError(f"--output_file must name a file, received {config.output_file!r}")
    for path in paths:
        if not Path(path).exists():
            raise UsageError(f"there is no file or folder {path!r}; give paths of pictures")
    cli.import_tensorflow()
    from catdog import parts
    from catdog.training import checkpoints

    loaded = parts.load_model(
        checkpoints.find(Path(config.model_dir), config.checkpoint),
        devices=config.devices,
        precision_name=config.precision,
    )
    rows = _rows(loaded, paths, config)
    counts, rejected = _write(Path(config.output_file), rows, loaded.class_names)
    if not counts and not rejected:
        raise InputError(
            f"no pictures in {', '.join(paths)}; names of pictures end in {', '.join(_ENDINGS)}"
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
