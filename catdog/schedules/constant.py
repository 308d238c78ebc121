"""One learning rate for the whole run."""

from catdog.schedules._schedule import Schedule


class Constant(Schedule):
    """The rate of the flag at every step."""

    def rate(self, step: int) -> float:
        """The same for every step."""
        del step
        return self.learning_rate
