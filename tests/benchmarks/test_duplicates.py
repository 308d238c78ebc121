"""The benchmark of duplicates finds planted copies, and counts groups of different pictures."""

import json
from typing import Any

from benchmarks import _plants, duplicates
from data_tools._similar_groups import Group, Member
from data_tools.splits import Candidate


def test_it_tells_what_is_found_of_each_kind_and_the_time(run_benchmark: Any) -> None:
    flags = ["--pictures=24", "--plants=4", "--sizes=300"]
    done = run_benchmark("duplicates", *flags)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result["copies"]) == {*_plants.FOUND, *_plants.OTHERS}
    for kind in _plants.FOUND:
        assert (result["copies"][kind]["found"], result["copies"][kind]["of"]) == (4, 4)
        assert result["copies"][kind]["false_groups"] == 0
    assert result["copies"]["upside down"]["found"] == 0
    assert result["others"]["least"] > 0.1
    assert result["blended"]["300"]["seconds"] >= 0
    assert result["still"]["300"]["groups"] == 1
    assert 0 < result["percent_of_build"] < 100


def _group(*keys: str) -> Group:
    return Group("", tuple(Member(Candidate(key, 0, ""), "near", 0.0) for key in keys))


def test_a_group_is_false_when_two_originals_meet_that_were_not_together_before() -> None:
    before = [_group("a", "b")]
    copies = "quality 60\na", "mirrored\nb", "mirrored\nc"
    assert duplicates.false_groups([_group("a", "b", *copies[:2])], before) == 0
    assert duplicates.false_groups([_group("c", copies[2])], before) == 0
    assert duplicates.false_groups([_group("a", copies[2])], before) == 1
    assert duplicates.false_groups([_group(*copies), _group("d", "e")], before) == 2


def test_sizes_that_are_no_numbers_are_a_users_mistake(run_benchmark: Any) -> None:
    done = run_benchmark("duplicates", "--sizes=many")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--sizes are numbers above 0, received 'many'" in done.stderr
