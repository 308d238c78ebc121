"""`run_main`: what every command shares. Flags in, one JSON line out, an exit code that tells.

stdout carries the result alone, as its last line; everything else goes to stderr.
"""

import errno
import json
import os
import re
import resource
import select
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from absl import flags as absl_flags

from catdog import flags
from catdog.errors import (
    NO_SPACE,
    CatdogError,
    IntegrityError,
    Preempted,
    ResourceError,
    UsageError,
)

Config = TypeVar("Config")
Element = TypeVar("Element")

INTERRUPTED = 130

# What TensorFlow prints on start-up; on a machine without a GPU it says nothing to a user.
_NOISE = (
    "All log messages before absl::InitializeLog",
    "cudart_stub.cc",
    "cuda_platform.cc",
    "oneDNN custom operations are on",
    "cpu_feature_guard.cc",
    "To enable the following instructions",
    "Unable to register cu",
    "computation_placer",
    "TF-TRT Warning",
)

# What TensorFlow says of records whose checksums are right and whose content is wrong.
_DAMAGE = (
    "the manifest counts more or fewer records",
    "differs from what its manifest describes",
    "damaged records, ",
    "Could not parse example",
    "is required but could not be found",
)

_PLACES = ("Graph execution error", "Detected at node", "<stack traces", " ", "\t")
_PLACE = re.compile(r"^(\{\{.*?\}\} )?(Error in user-defined function .*? iterator: \S+: )?")

# Where it exists there is a GPU, and these lines may be the only sign that it is not used.
_NVIDIA_DRIVER = "/proc/driver/nvidia"


def say(text: str) -> None:
    """Prints one line for a person, to stderr."""
    print(text, file=sys.stderr, flush=True)


def import_tensorflow() -> Any:
    """The tensorflow module, imported without its start-up noise.

    Lines that are not known noise are passed on: a real warning is never swallowed.
    """
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    # 2 hides TensorFlow's warnings, among them why a GPU that is there cannot be used.
    level = "1" if os.path.exists(_NVIDIA_DRIVER) else "2"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", level)
    sys.stderr.flush()
    keep = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            import tensorflow as tf

            tf.get_logger().setLevel("WARNING")
            tf.config.list_physical_devices()  # the CUDA lines are printed here, once
        finally:
            os.dup2(keep, 2)
            os.close(keep)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                if os.path.exists(_NVIDIA_DRIVER) or not any(noise in line for noise in _NOISE):
                    say(line)
    return tf


class Meter:
    """Shows how far something is: a tqdm bar on a terminal, a plain line now and then elsewhere.

    Args:
      total: how many steps there will be.
      what: how the line calls them.
      every_seconds: the time between two plain lines.
      done: how many of the steps were done earlier.
    """

    def __init__(
        self, total: int, what: str, *, every_seconds: float = 10.0, done: int = 0
    ) -> None:
        self._total = total
        self._what = what
        self._every_seconds = every_seconds
        self._done = self._began_with = done
        self._started = self._said = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, desc=what, file=sys.stderr, leave=False)

    def advance(self, count: int = 1, note: str = "") -> None:
        """Counts `count` more steps; `note` is shown behind them."""
        self._done += count
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
            return
        now = time.monotonic()
        if now - self._said >= self._every_seconds and self._done < self._total:
            self._said = now
            speed = (self._done - self._began_with) / (now - self._started)
            rate = f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"
            say(f"{self._what}: {self._done} of {self._total} ({rate}) {note}".rstrip())

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()


def progress(elements: Iterable[Element], *, total: int, what: str) -> Iterator[Element]:
    """The elements, counted by a `Meter`."""
    meter = Meter(total, what)
    try:
        for element in elements:
            yield element
            meter.advance()
    finally:
        meter.close()


def peak_memory_mb() -> int:
    """The most memory that this process has had resident so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _usage(module: Any, program: str, positional: str, values: absl_flags.FlagValues) -> str:
    doc = (module.__doc__ or "").strip()
    lines = [doc, "", f"usage: {program} [flags]{' ' + positional if positional else ''}", ""]
    return "\n".join(lines) + values.module_help("catdog") + "\n"


def _parse(
    config_class: type[Config], argv: list[str], positional: str, module: Any
) -> tuple[Config | None, list[str]]:
    """The config and the arguments beside the flags; no config when help was asked for."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_boolean("help", False, "show this text", short_name="h", flag_values=values)
    absl_flags.DEFINE_string("flagfile", "", "read flags from this file", flag_values=values)
    flags.define(config_class, values)
    for flag in values:
        values.register_flag_by_module("catdog", values[flag])
    try:
        rest = values(values.read_flags_from_files(argv, force_gnu=True), known_only=False)[1:]
    except absl_flags.Error as error:
        raise UsageError(f"{str(error).strip().splitlines()[0]}; --help lists the flags") from None
    if values["help"].value:
        program = f"python -m {module.__spec__.name}" if module.__spec__ else argv[0]
        sys.stdout.write(_usage(module, program, positional, values))
        return None, []
    if rest and not positional:
        raise UsageError(f"unexpected argument {rest[0]!r}: flags are written --name=value")
    return flags.read(config_class, values), rest


def _translated(error: BaseException) -> BaseException:
    """The error as one of ours where it has a meaning to a user, else itself."""
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return ResourceError(f"the disk is full ({error}); free some space and run again")
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS):
        return UsageError(f"no permission: {error}; choose another folder or mend its rights")
    if isinstance(error, OSError) and error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return UsageError(
            f"a file is where a folder has to be, or the reverse ({error}); choose another path"
        )
    if isinstance(error, MemoryError):
        return ResourceError("out of memory; use a smaller batch or window")
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        if isinstance(error, tensorflow.errors.DataLossError) or _is_damage(error):
            return IntegrityError(f"damaged records: {_first_line(error)}; rebuild the data set")
        if isinstance(error, tensorflow.errors.OpError) and _is_full_disk(error):
            return ResourceError(f"the disk is full ({_first_line(error)}); free some space")
        if isinstance(error, tensorflow.errors.ResourceExhaustedError):
            return ResourceError(f"out of memory: {_first_line(error)}; use a smaller batch")
    return error


def _is_damage(error: BaseException) -> bool:
    """Whether TensorFlow complains of what it read, in one of the ways that name no culprit."""
    kind, text = type(error).__name__, str(error)
    if kind == "NotFoundError":
        return ".tfrecord-" in text
    return kind in ("InvalidArgumentError", "UnknownError") and any(
        sign in text for sign in _DAMAGE
    )


def _is_full_disk(error: BaseException) -> bool:
    """Whether TensorFlow passes on one of NO_SPACE: it keeps the text, not the number."""
    return any(os.strerror(number) in str(error) for number in NO_SPACE)


def _first_line(error: BaseException) -> str:
    """The line that says why: TensorFlow's first ones say where in its graph."""
    lines = [line for line in str(error).splitlines() if not line.startswith(_PLACES)]
    reason = next((line for line in lines if line.strip()), type(error).__name__)
    return _PLACE.sub("", reason)


def _exit_code(error: BaseException) -> int:
    """Says what went wrong and gives the code to exit with."""
    error = _translated(error)
    if isinstance(error, KeyboardInterrupt):
        say(f"interrupted; {error or 'give the same command to start again'}")
        return error.exit_code if isinstance(error, Preempted) else INTERRUPTED
    if isinstance(error, CatdogError):
        say(f"error: {' '.join(str(error).split())}")
        return error.exit_code
    traceback.print_exception(error)
    say("error: this is a bug in catdog; please report the lines above with the command")
    return 1


def _is_unheard(error: BaseException) -> bool:
    """Whether it says that nobody reads stdout any more."""
    if not isinstance(error, BrokenPipeError):
        return False
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def run_main(
    main: Callable[..., dict[str, Any]], config_class: type[Any], *, positional: str = ""
) -> NoReturn:
    """Runs a command and exits: parses sys.argv, calls `main(config)`, prints its result.

    Args:
      main: takes the config (and, where `positional` names them, the list of the other
        arguments) and returns what is printed as one line of JSON.
      positional: how the help text calls the arguments that are no flags; empty for none.
    """
    module = sys.modules[main.__module__]
    try:
        config, rest = _parse(config_class, sys.argv, positional, module)
        if config is None:
            sys.stdout.flush()
            sys.exit(0)
        result = main(config, rest) if positional else main(config)
        print(json.dumps(result, allow_nan=False), flush=True)
    except SystemExit:
        raise
    except BaseException as error:
        code = 0 if _is_unheard(error) else _exit_code(error)
        sys.stderr.flush()
        try:
            sys.stdout.flush()
        except OSError:  # else Python tries once more, and exits with a code of its own
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(code)
    sys.exit(0)


def existing_folder(path: str, flag: str) -> Path:
    """`path` as a Path, when it is a folder.

    Raises:
      UsageError: it is not; the message names the flag.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"--{flag} must be an existing folder, received {path!r}")
    return folder
