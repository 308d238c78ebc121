"""The constant rate is the flag's, whatever happens."""

from catdog.schedules.constant import Constant


def test_the_rate_is_the_flags_at_every_step_and_after_bad_epochs() -> None:
    schedule = Constant(learning_rate=0.3, total_steps=1000, steps_per_epoch=10)
    for step in range(1000):
        assert schedule.rate(step) == 0.3
        schedule.end_epoch(improved=False)
