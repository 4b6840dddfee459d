from importlib.metadata import version

import versioned


def test_generated_version_is_that_of_the_metadata():
    assert versioned.__version__ == version("versioned")
