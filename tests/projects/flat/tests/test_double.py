import numbers_flat


def test_double():
    assert numbers_flat.double(4) == 8


def test_options_of_ours(request):
    assert request.config.getoption("--place") in (None, "moon")
