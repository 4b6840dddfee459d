"""Runs beside the tests, in every place: standard library and pytest only, Python 3.9 and newer, relative imports."""
