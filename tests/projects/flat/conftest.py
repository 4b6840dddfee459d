def pytest_addoption(parser):
    """The project has options that are named like noxlib's own."""
    for name in ("--place", "--dry-run", "--keep", "--no-build", "--noxlib-task"):
        parser.addoption(name, default=None)
