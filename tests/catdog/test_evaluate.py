"""Which scores an evaluation gives: by name, each with its own options."""

import numpy as np
import pytest

from catdog import parts
from catdog.errors import UsageError


def test_options_go_to_the_evaluator_they_name() -> None:
    labels = np.arange(4)
    probabilities = np.float32([[0.4, 0.3, 0.2, 0.1]] * 4)  # the true class is at place 1 to 4
    made = parts.make_evaluators(("accuracy", "top_k"), ("top_k.k=3",))
    assert list(made) == ["accuracy", "top_k"]
    scores = {name: one.score(labels, probabilities) for name, one in made.items()}
    assert scores == {"accuracy": 0.25, "top_k": 0.75}
    assert parts.make_evaluator("top_k", ("k=2",)).score(labels, probabilities) == 0.5


def test_a_name_given_twice_is_one_score() -> None:
    assert list(parts.make_evaluators(("accuracy", "accuracy"), ())) == ["accuracy"]


@pytest.mark.parametrize(
    ("names", "given", "words"),
    [
        ((), (), "--evaluators needs at least one name; choose from accuracy, auc"),
        (("acuracy",), (), "did you mean 'accuracy'"),
        (("accuracy",), ("k=3",), "written name.key=value with a name out of accuracy, received"),
        (("accuracy", "auc"), ("top_k.k=3",), "out of accuracy, auc, received 'top_k.k=3'"),
        (("accuracy",), ("accuracy.k=3",), "Accuracy has no option 'k'; its options: none"),
        (("top_k",), ("top_k.k",), "an option is written key=value"),
        (("top_k",), ("top_k.k=x",), "option k takes a value of type int"),
    ],
)
def test_wrong_names_and_options_are_refused(
    names: tuple[str, ...], given: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        parts.make_evaluators(names, given)
