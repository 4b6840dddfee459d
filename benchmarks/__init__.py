"""Speed of noxlib against the bare tool, in the same run and interleaved: ``python -m benchmarks``."""
