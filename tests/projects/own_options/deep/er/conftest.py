def pytest_addoption(parser):
    parser.addoption("--max-concurrent", default="the own")
