"""Chat template, windows, and the tokenised corpus."""
