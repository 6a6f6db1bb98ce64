"""Chat template, windows over long documents, and the tokenised corpus."""
