"""A study on disk: files, database, lock, rung journal, winner, results."""
