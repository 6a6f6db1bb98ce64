"""What an answer is worth: counts, metrics, intervals, masked errors."""
