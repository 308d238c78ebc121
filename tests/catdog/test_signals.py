"""Signals: at once while there is nothing to save, at the next check while there is."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from catdog.errors import CatdogError, Preempted
from catdog.signals import Signals


def _send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Preempted), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_request_to_stop_is_an_exception_at_once(
    number: signal.Signals, error: type[BaseException]
) -> None:
    with pytest.raises(error, match="same command") as caught, Signals():
        _send(number)
    assert type(caught.value) is error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_while_held_it_waits_for_the_check(number: signal.Signals) -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), Signals() as signals, signals.held() as check:
        check()
        _send(number)
        reached.append("after the signal")
        check()
        reached.append("after the check")
    assert reached == ["after the signal"]


def test_a_request_that_nobody_checked_for_is_raised_on_leaving() -> None:
    with Signals() as signals:
        with pytest.raises(Preempted), signals.held():
            _send(signal.SIGTERM)
        with pytest.raises(Preempted):
            signals.check()


def test_a_wish_to_save_is_noted_and_stops_nothing() -> None:
    with Signals() as signals:
        assert not signals.save_asked
        _send(signal.SIGUSR1)
        signals.check()
        assert signals.save_asked


def test_the_handlers_before_come_back() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(number) for number in numbers] == before


def test_what_the_process_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals() as signals:
            _send(signal.SIGINT)
            signals.check()
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_held() -> None:
    before, found = signal.getsignal(signal.SIGTERM), []

    def enter() -> None:
        with Signals() as signals:
            signals.check()
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [before]


def test_a_second_request_leaves_at_once(repository: Path) -> None:
    script = (
        "import time; from catdog.signals import Signals\n"
        "with Signals() as signals, signals.held():\n"
        "    print('ready', flush=True); time.sleep(5); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=repository
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


def test_stopping_passes_through_code_that_handles_failures() -> None:
    assert not issubclass(Preempted, Exception | CatdogError)
    assert Preempted.exit_code == 42
