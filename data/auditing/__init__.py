"""What leaks between the parts of a corpus, and what its labels contradict."""
