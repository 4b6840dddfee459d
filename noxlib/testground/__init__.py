"""The declared, content-addressed environment of one Python version."""
