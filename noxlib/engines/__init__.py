"""The only code that talks to a world outside; one file an engine."""
