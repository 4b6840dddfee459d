"""A clock that goes on with the work that is done: how busy the machine is changes nothing that it measures."""

steps = 0


def numbers(count):
    """The first numbers; each is a microsecond of the clock."""
    global steps
    for number in range(count):
        steps += 1
        yield number


def seconds():
    """What ``--benchmark-timer`` asks; like any clock it goes on while it is read."""
    global steps
    steps += 1
    return steps / 1e6
