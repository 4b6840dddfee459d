"""Tests whose markers are written in other ways; collected where named."""

import pytest


@pytest.mark.timeout("soon")
def test_has_a_deadline_that_is_none():
    pass


@pytest.mark.timeout(method="thread")
def test_says_how_and_not_when():
    pass


@pytest.mark.backend(name="tape")
def test_names_its_backend_by_keyword():
    pass


def test_is_not_hurt_by_them():
    pass
