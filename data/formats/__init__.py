"""The formats of labelling tools and published datasets."""
