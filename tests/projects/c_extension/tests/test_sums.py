import sums


def test_add():
    assert sums.add(2, 3) == 5
