"""Many trials: the search space, the searcher, the scheduler and the study on disk."""
