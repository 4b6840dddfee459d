"""Hosts and schedulers: they carry out a plan by means of engines."""
