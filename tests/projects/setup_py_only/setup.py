from setuptools import setup

setup(
    name="old-style",
    version="2.0",
    py_modules=["old_style"],
    extras_require={"test": ["pytest"]},
    entry_points={"console_scripts": ["old-style=old_style:main"]},
)
