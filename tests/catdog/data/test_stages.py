"""Stages: which epochs have which pictures."""

import pytest

from catdog.data.stages import Stage, stage_of, stages
from catdog.errors import UsageError


def test_all_epochs_are_of_the_models_own_size_where_nothing_is_asked_for() -> None:
    assert stages((), image_size=227, epochs=5) == (Stage(227, 0, 5),)


def test_stages_follow_each_other_and_the_models_own_size_has_the_rest() -> None:
    found = stages(("131:2", "163:3"), image_size=227, epochs=6)
    assert found == (Stage(131, 0, 2), Stage(163, 2, 5), Stage(227, 5, 6))
    sizes = [stage_of(found, epoch).image_size for epoch in range(7)]
    assert sizes == [131, 131, 163, 163, 163, 227, 227], "the last one holds behind the end too"


@pytest.mark.parametrize("entry", ["131", "131:", ":2", "131:0", "0:2", "131:-1", "a:2", "131:2:1"])
def test_an_entry_of_another_form_is_told(entry: str) -> None:
    with pytest.raises(UsageError, match="SIDE:EPOCHS"):
        stages((entry,), image_size=227, epochs=9)


def test_an_epoch_must_be_left_for_the_models_own_size() -> None:
    with pytest.raises(UsageError, match="is 5 epochs, of --epochs=5; leave at least one"):
        stages(("131:2", "163:3"), image_size=227, epochs=5)
