"""The verdict on a network's layers names the one to blame; see test_anatomy for real networks."""

from catdog.training import culprit
from catdog.training.culprit import LayerFacts, WeightFacts


def _layer(
    name: str,
    *,
    mean_square: float = 1.0,
    differing: float = 0.5,
    dead: float = 0.0,
    gradient: float = 0.01,
) -> LayerFacts:
    return LayerFacts(
        name, mean_square, differing, dead, (WeightFacts("kernel", 2, 1.0, gradient),)
    )


def _images(differing: float = 0.95) -> LayerFacts:
    return LayerFacts("images", 4000.0, differing, 0.0, ())


def test_numbers_that_are_not_finite_come_first() -> None:
    layers = [
        _images(),
        _layer("a", differing=0.0),
        _layer("b", gradient=float("nan")),
        _layer("c"),
    ]
    assert culprit.verdict(layers).startswith("b has activations or gradients that are not finite")


def test_pictures_that_are_all_alike_are_told_apart_from_a_dead_network() -> None:
    layers = [_images(0.0), _layer("a", differing=0.0), _layer("b", differing=0.0)]
    assert culprit.verdict(layers) == "the pictures of the batch are all the same"


def test_pictures_that_differ_little_are_measured_by_what_they_have() -> None:
    layers = [_images(0.02), _layer("a", differing=0.01), _layer("b", differing=0.01)]
    assert "live in every layer" in culprit.verdict(layers)


def test_a_single_picture_shows_dead_layers_all_the_same() -> None:
    nan = float("nan")
    alive = [_images(nan), _layer("a", differing=nan), _layer("b", differing=nan)]
    assert "live in every layer" in culprit.verdict(alive)
    dead = [alive[0], _layer("a", differing=nan, mean_square=0.0, dead=1.0), alive[2]]
    assert culprit.verdict(dead).startswith("all activations of a are 0")


def test_one_layer_alone_has_no_hidden_layers_to_accuse() -> None:
    assert "live in every layer" in culprit.verdict([_images(), _layer("a", differing=0.0)])


def test_a_layer_that_is_mostly_dead_is_mentioned() -> None:
    layers = [_images(), _layer("a", dead=0.6), _layer("b", dead=0.75), _layer("c")]
    assert culprit.verdict(layers).endswith("(75.0% of the channels of b are 0 for all pictures)")
    drowned = [*layers[:3], _layer("c", differing=0.001), _layer("d")]
    said = culprit.verdict(drowned)
    assert said.startswith("c hardly tells pictures apart") and "channels of b are 0" in said
    assert "channels" not in culprit.verdict([_images(), _layer("a", dead=0.5), _layer("b")])
