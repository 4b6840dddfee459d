import pytest
from letters import count


def test_blanks_are_no_letters() -> None:
    assert count("a b") == 2


@pytest.mark.slow
def test_a_long_text_is_counted() -> None:
    assert count("ab " * 1_000_000) == 2_000_000
