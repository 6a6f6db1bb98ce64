"""Leaks between the splits of a corpus, and errors of its labels."""
