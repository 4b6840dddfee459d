"""A project whose integration tests have levels."""
