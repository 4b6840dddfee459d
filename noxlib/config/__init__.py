"""The configuration of a project and what was detected of it."""
