"""A plugin of a project whose last hook fails."""


def pytest_unconfigure():
    raise RuntimeError("nothing to put away")
