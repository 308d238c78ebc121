"""Draws the toy set: cartoon cats and dogs to try every command on.

    python -m data_tools.sample --output_dir=/tmp/toy

DIR/train/cat.N.jpg and DIR/train/dog.N.jpg, as Kaggle lays them out. Pose, size, colours,
background, light and noise vary; sides go from 59 to 1050 pixels; some pictures are gray, some
are PNG in spite of their name, some are stored rotated, and a few are broken on purpose.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catdog import cli, files, flags
from catdog.errors import UsageError
from data_tools import _scenes

LABELS = ("cat", "dog")
BROKEN_KINDS = ("empty", "cut", "html")

# The pictures are drawn in here, inside of --output_dir, and appear together by one rename.
_PARTIAL = ".train.partial"


@dataclass(frozen=True)
class Config:
    """What `python -m data_tools.sample` is told."""

    output_dir: str = flags.option(flags.REQUIRED, "new or empty folder that receives the set")
    pictures: int = flags.option(600, "good pictures, half of them cats", lower=2)
    broken: int = flags.option(6, "files beside them that no reader may accept", lower=0)
    seed: int = flags.option(0, "another seed draws another set")


def _output_folder(path: str) -> Path:
    """The folder at `path`, which is made if need be and holds nothing of anyone else's."""
    if not path:  # such as an unset shell variable; Path("") would be the current folder
        raise UsageError("--output_dir must be a new or an empty folder, received ''; name one")
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(
            f"--output_dir must be a new or an empty folder, received {path!r} where a file is "
            "in the way; choose another folder"
        ) from None
    others = sorted(child.name for child in folder.iterdir() if child.name != _PARTIAL)
    if others:
        raise UsageError(
            f"--output_dir must be a new or an empty folder, received {path!r} which holds "
            f"{others[0]!r}; choose another folder or empty it"
        )
    return folder


def members(*, pictures: int, broken: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The name and the bytes of each file of the set: the good ones first, classes in turn."""
    for place in range(pictures):
        label, number = LABELS[place % 2], place // 2
        yield f"{label}.{number}.jpg", _scenes.picture(seed, label, number)
    for place in range(broken):
        label, kind = LABELS[place % 2], BROKEN_KINDS[place // 2 % len(BROKEN_KINDS)]
        goods = (pictures + 1 - place % 2) // 2
        number = goods + place // 2
        yield f"{label}.{number}.jpg", _scenes.broken_picture(seed, label, number, kind)


def main(config: Config) -> dict[str, Any]:
    """The counts of what was drawn.

    Raises:
      UsageError: `output_dir` is a file, or a folder with something in it.
    """
    folder = _output_folder(config.output_dir)
    partial = folder / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    drawn = members(pictures=config.pictures, broken=config.broken, seed=config.seed)
    total = config.pictures + config.broken
    for name, data in cli.progress(drawn, total=total, what="drawing"):
        files.write_whole(partial / name, data)
    partial.rename(folder / "train")
    files.sync_folder(folder)
    return {
        "pictures": config.pictures,
        "cats": (config.pictures + 1) // 2,
        "dogs": config.pictures // 2,
        "broken": config.broken,
        "output_dir": config.output_dir,
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, Config)


if __name__ == "__main__":
    run()
