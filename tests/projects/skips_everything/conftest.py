import pytest


def pytest_addoption(parser):
    parser.addoption("--really", action="store_true")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--really"):
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs --really"))
