"""Counts letters."""


def count(text):
    return {letter: text.count(letter) for letter in sorted(set(text))}
