def test_an_option_of_a_conftest_that_is_found_late(request):
    assert request.config.getoption("--max-concurrent") == "the own"
