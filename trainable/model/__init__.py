"""Weights: base models, adapters, memory, and the Backend protocol."""
