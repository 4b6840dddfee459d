"""A project that has options of its own, named like those of a plugin it does not know."""


def pytest_addoption(parser):
    parser.addoption("--backend", default="tape", help="the project's own")
    group = parser.getgroup("machines")
    group.addoption("--ssh-host", action="append", default=[], help="the project's own")
