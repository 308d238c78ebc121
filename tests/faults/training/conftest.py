"""Training processes to kill, stop and starve, and what has to be equal when they are done."""

import dataclasses
import multiprocessing
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

CHILD = Path(__file__).with_name("child.py")
# A process takes seconds to start on a free core, and several share one.
PATIENCE = 300.0

EPOCHS, STEPS = 3, 8
FLAGS = (
    "--model_option=width=0.03125 --learning_rate=0.01 --batch_size=4 --steps_per_call=2 "
    f"--epochs={EPOCHS} --schedule=plateau --schedule_option=patience=0,factor=0.5 "
    "--eval_batch_size=5 --final_views=center --reader_threads=1 --deterministic "
    "--precision=float32 --save_every_steps=2 "
    # A call of several steps is shortened when it takes a quarter of this, as on a busy machine.
    "--grace_seconds=1200"
).split()
TIMES = {"seconds", "pictures_per_second", "data_wait_percent", "validation_seconds"}

Point = tuple[Any, ...]


@dataclasses.dataclass
class Job:
    """A training process.

    Attributes:
      process: started, perhaps ended.
      model_dir: the folder of its run.
      log: what it prints.
    """

    process: Any
    model_dir: Path
    log: Path

    def wait(self) -> int:
        """The exit code; -N for a process that signal N ended."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            pytest.fail(f"still running after {PATIENCE} s:\n{self.said()}")
        return int(code)

    def ended(self, code: int) -> str:
        """What it said, once it has ended with `code`."""
        found = self.wait()
        said = self.said()
        assert found == code, f"exit code {found} instead of {code}:\n{said}"
        assert "Traceback" not in said, said
        return said

    def said(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def steps(self) -> int:
        """The lines of metrics.jsonl, once the run has begun to write them."""
        path = self.model_dir / "metrics.jsonl"
        # Before it has said this, there are lines of steps that will come again.
        begun = "\ntraining alexnet" in "\n" + self.said()
        return path.read_bytes().count(b"\n") if begun else -1

    def until(self, reached: Callable[[], bool]) -> bool:
        """Whether `reached` became true before the process ended."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if reached():
                return True
            if not self.process.is_alive():
                return reached()
            time.sleep(0.002)
        pytest.fail(f"not reached in {PATIENCE} s:\n{self.said()}")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 30 training pictures, so that the last batch of an epoch is a cut one."""
    folder = tmp_path_factory.mktemp("faults")
    sample = [f"--output_dir={folder / 'pictures'}", "--pictures=44", "--broken=0"]
    build = [f"--source={folder / 'pictures'}", f"--output_dir={folder / 'data'}", "--workers=1"]
    build += ["--splits=train=0.7,validation=0.3", "--num_shards=train=3,validation=2"]
    for module, flags in (("sample", sample), ("build_tfrecords", build)):
        command = [sys.executable, "-m", f"data_tools.{module}", *flags]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    return folder / "data"


@pytest.fixture(scope="session")
def _nursery() -> Iterator[Any]:
    """Forks processes from one that has imported TensorFlow, which takes most of a short run.

    It has used nothing of it: as long as it has a single thread, forking it is sound, and what is
    forked is a process like any other. `child.py` checks that it has one.
    """
    context = multiprocessing.get_context("forkserver")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        context.set_forkserver_preload(["tensorflow", "keras", "catdog.experiment"])
        yield context
    context.set_forkserver_preload(["__main__"])


Start = Callable[..., Job]


@pytest.fixture
def start(_nursery: Any, data_dir: Path, tmp_path: Path) -> Iterator[Start]:
    """`start(name, *flags, points=, …)`: trains in the folder of this name; see child.py."""
    jobs: list[Job] = []

    def start(
        name: str,
        *flags: str,
        points: Sequence[Point] = (),
        file_bytes: int = 0,
        cpus: int = 1,
        archive: Path | None = None,
    ) -> Job:
        model_dir = tmp_path / name
        log = tmp_path / f"{name.replace('/', '-')}-{len(jobs)}.log"
        given = [f"--data_dir={data_dir}", f"--model_dir={model_dir}", *FLAGS, *flags]
        request: dict[str, Any] = {"arguments": given, "log": str(log), "points": list(points)}
        request |= {"file_bytes": file_bytes, "cpus": cpus, "forked": True}
        request["archive"] = str(archive or "")
        target = (str(CHILD), {"REQUEST": request}, "__main__")
        process = _nursery.Process(target=runpy.run_path, args=target)
        process.start()
        jobs.append(Job(process, model_dir, log))
        return jobs[-1]

    yield start
    for job in jobs:
        if job.process.is_alive():
            job.process.kill()
        job.process.join()


@dataclasses.dataclass
class Outcome:
    """What a run has left behind.

    Attributes:
      variables: of the last checkpoint, {name: values}.
      best: of the best checkpoint.
      names: of these two.
      progress: of the last checkpoint, without times.
      metrics: the lines of metrics.jsonl.
      summary: the cells of summary.csv, without times.
      losses: the losses of each epoch, by file.
    """

    variables: dict[str, NDArray[Any]]
    best: dict[str, NDArray[Any]]
    names: list[str]
    progress: dict[str, Any]
    metrics: list[str]
    summary: list[dict[str, str]]
    losses: dict[str, bytes]


def _variables(checkpoint: Path) -> dict[str, NDArray[Any]]:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(checkpoint / "variables"))
    names = sorted(reader.get_variable_to_shape_map())
    return {name: reader.get_tensor(name) for name in names if name.startswith("variables/")}


def _without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in TIMES}


def outcome(model_dir: Path) -> Outcome:
    """What the run in the folder has left behind."""
    from catdog.training import checkpoints

    last, best = (checkpoints.find(model_dir, kind) for kind in ("last", "best"))
    progress = checkpoints.read_about(last)["progress"]
    progress["history"] = list(map(_without_times, progress["history"]))
    header, *rows = (model_dir / "summary.csv").read_text(encoding="utf-8").splitlines()
    cells = [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]
    return Outcome(
        variables=_variables(last),
        best=_variables(best),
        names=[best.name, last.name],
        progress=progress | {"sums": {}},
        metrics=(model_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines(),
        summary=list(map(_without_times, cells)),
        losses={path.name: path.read_bytes() for path in (model_dir / "losses").iterdir()},
    )


def _same(model_dir: Path, expected: Outcome) -> Outcome:
    found = outcome(model_dir)
    for field in ("variables", "best"):
        mine, other = getattr(found, field), getattr(expected, field)
        assert mine.keys() == other.keys()
        for name, value in other.items():
            np.testing.assert_array_equal(mine[name], value, err_msg=f"{field} {name}")
    for field in ("names", "progress", "metrics", "summary", "losses"):
        assert getattr(found, field) == getattr(expected, field), field
    return found


@pytest.fixture(scope="session")
def same() -> Callable[[Path, Outcome], Outcome]:
    """`same(model_dir, expected)`: the run ended as the expected one, bit for bit but for times."""
    return _same


@pytest.fixture(scope="session")
def outcome_of() -> Callable[[Path], Outcome]:
    """`outcome_of(model_dir)`."""
    return outcome


@pytest.fixture(scope="session")
def train_command(data_dir: Path) -> Callable[..., list[str]]:
    """`train_command(model_dir, *flags)`: the command itself, for a process of its own."""

    def command(model_dir: Path, *flags: str) -> list[str]:
        given = [f"--data_dir={data_dir}", f"--model_dir={model_dir}", *FLAGS, *flags]
        return [sys.executable, "-m", "catdog.train", *given]

    return command


@pytest.fixture(scope="session")
def undisturbed(
    train_command: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Outcome]:
    """`undisturbed(precision)`: the outcome of the command when nothing happens to it."""
    made: dict[str, Outcome] = {}

    def run(precision: str) -> Outcome:
        if precision not in made:
            model_dir = tmp_path_factory.mktemp("undisturbed")
            command = train_command(model_dir, f"--precision={precision}")
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            assert done.returncode == 0, done.stderr
            made[precision] = outcome(model_dir)
        return made[precision]

    return run
