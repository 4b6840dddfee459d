import totals


def test_squares(benchmark):
    assert benchmark(totals.squares, 20_000) > 0


def test_cubes(benchmark):
    assert benchmark(totals.cubes, 20_000) > 0


def test_small():
    assert totals.squares(3) == 5
