from sums._fast import add

__all__ = ["add"]
