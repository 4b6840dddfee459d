"""Two sums, the one of which a test makes slower from one commit to the next."""

from totals.clock import numbers


def squares(count):
    """The sum of the first squares."""
    return sum(number * number for number in numbers(count))


def cubes(count):
    """The sum of the first cubes."""
    return sum(number * number * number for number in numbers(count))
