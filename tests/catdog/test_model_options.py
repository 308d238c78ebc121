"""A description names every option, and an old one that does not means what it meant then."""

import pytest

from catdog import model_options
from catdog.errors import UsageError


def test_a_new_description_names_every_option() -> None:
    every = model_options.complete("alexnet", ("width=0.5",))
    assert every == ["width=0.5", "variant=modern", "dropout=0.5"]
    expected = {"width": 0.5, "variant": "modern", "dropout": 0.5}
    assert model_options.described({"name": "alexnet", "options": every}) == expected


def test_one_of_before_has_the_defaults_of_then() -> None:
    old = {"name": "alexnet", "options": ["width=0.5"]}
    assert model_options.described(old) == {"width": 0.5, "variant": "fixed", "dropout": 0.5}
    old["options"] = ["variant=paper"]
    assert model_options.described(old) == {"width": 1.0, "variant": "paper", "dropout": 0.5}


@pytest.mark.parametrize("name", ["resnet", "densenet"])
def test_a_model_without_former_defaults_has_its_own(name: str) -> None:
    every = model_options.complete(name, ())
    assert model_options.described({"name": name, "options": []}) == model_options.described(
        {"name": name, "options": every}
    )
    assert every


def test_what_a_user_mistypes_is_told() -> None:
    with pytest.raises(UsageError, match="did you mean 'alexnet'"):
        model_options.complete("alexnt", ())
    with pytest.raises(UsageError, match="no option 'widht'; its options: variant"):
        model_options.complete("alexnet", ("widht=1",))
