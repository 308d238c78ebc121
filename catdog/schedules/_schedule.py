"""The contract of the room: the learning rate of every step."""


class Schedule:
    """The learning rate as a function of the step, and of the epochs' success where it follows it.

    Args of every constructor, beside its own options:
      learning_rate: the rate that the flag names.
      total_steps: steps of the whole run.
      steps_per_epoch: steps of one epoch.

    Attributes:
      follows_score: whether `end_epoch` changes the rate, so that every epoch needs a score.
    """

    follows_score = False

    def __init__(self, *, learning_rate: float, total_steps: int, steps_per_epoch: int) -> None:
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.steps_per_epoch = steps_per_epoch

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, from 0."""
        raise NotImplementedError

    def end_epoch(self, *, improved: bool) -> None:
        """Takes note of an epoch: did its score beat the best one so far?"""
        del improved

    def state(self) -> dict[str, float]:
        """What `restore` needs to go on from here; empty for a pure function of the step."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Goes on from what `state` returned."""
        del state
