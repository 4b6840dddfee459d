def test_own_options_are_the_projects(request):
    assert request.config.getoption("--backend") == "tape"
    assert request.config.getoption("--ssh-host") == []


def test_other_short_names_are_there(request):
    assert request.config.getoption("--max-concurrent") == 8
    assert request.config.getoption("--noxlib-backend") is None
