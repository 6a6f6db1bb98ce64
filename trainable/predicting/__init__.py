"""Answers for whole files; the bodies of predict.py and evaluate.py."""
