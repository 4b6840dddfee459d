"""Speed compared: samples of two sides, their statistics, the verdicts. Pure; nothing here runs a benchmark."""
