"""The training loop, the optimizer, checkpoints, full-length runs, the TRL engine."""
