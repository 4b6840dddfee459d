import shadowed


def test_passes_with_either():
    assert shadowed.WHICH
