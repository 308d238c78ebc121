"""`build` for Python code: what `python -m data_tools.build_tfrecords` does, as a call."""

from typing import Any

from catdog import checks
from data_tools import build_tfrecords
from data_tools.config import BuildConfig

__all__ = ["BuildConfig", "build"]


def build(config: BuildConfig) -> dict[str, Any]:
    """What was kept, once the data set is in place: the command's result as a dict.

    It says "kept", "rejected", "passed_over", "left_out" and "excluded" (counts of pictures),
    "duplicates" (groups, pictures in them, and how many of which kind), "splits"
    ({name: pictures}) and "output_dir". Progress goes to stderr.

    >>> from data_tools.api import BuildConfig, build
    >>> result = build(BuildConfig(source="pictures", output_dir="data"))
    >>> result["kept"], result["splits"]
    (20, {'train': 16, 'validation': 4})

    Args:
      config: one field is one flag of the command; `source` and `output_dir` have no default.

    Raises:
      UsageError: a setting that cannot be used as given, or `output_dir` is not free.
      InputError: the source cannot be read, or has too little for what is asked.
      LockedError: another build makes the same folder.
      OSError: the disk refused; nothing is at `output_dir` then.
    """
    return build_tfrecords.main(checks.checked(config))
