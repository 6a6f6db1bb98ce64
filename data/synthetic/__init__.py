"""The sample corpus and its generator."""
