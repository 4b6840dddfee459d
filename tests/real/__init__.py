"""Real projects that nobody here wrote: their suites in noxlib's places, compared with their own plain recipe."""
