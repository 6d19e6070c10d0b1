import pytest

from bench.figures import Spread, ratio, spread


def test_a_spread_is_the_median_between_the_lowest_and_the_highest_round() -> None:
    assert spread([30.0, 10.0, 20.0]) == Spread(20.0, 10.0, 30.0)


def test_a_ratio_is_taken_within_each_round_so_that_a_slow_round_does_not_count() -> None:
    # the machine was ten times slower in the second round, for both
    assert ratio([10.0, 100.0, 12.0], [20.0, 200.0, 20.0]) == Spread(0.5, 0.5, 0.6)


def test_a_ratio_of_unequal_numbers_of_rounds_is_an_error() -> None:
    with pytest.raises(ValueError, match="every round"):
        ratio([1.0, 2.0], [1.0])
