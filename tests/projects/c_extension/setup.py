from setuptools import Extension, setup

setup(
    packages=["sums"],
    package_dir={"": "src"},
    ext_modules=[Extension("sums._fast", ["src/sums/_fast.c"])],
)
