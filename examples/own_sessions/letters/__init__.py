"""Counts letters."""


def count(text: str) -> int:
    """The letters of a text."""
    return sum(character.isalpha() for character in text)
