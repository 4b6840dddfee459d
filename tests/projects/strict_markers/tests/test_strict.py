def test_passes() -> None:
    pass
