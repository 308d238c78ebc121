"""The benchmark of models can be asked what it does."""

from typing import Any


def test_help_names_the_flags_and_what_is_measured(run_benchmark: Any) -> None:
    done = run_benchmark("model_speed", "--help")
    assert done.returncode == 0, done.stderr
    assert "Pictures a second that models train" in done.stdout
    for flag in ("--models", "--width", "--batch_size", "--rounds"):
        assert flag in done.stdout


def test_an_empty_list_of_models_is_a_users_mistake(run_benchmark: Any) -> None:
    done = run_benchmark("model_speed", "--models=")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--models needs at least one entry" in done.stderr
