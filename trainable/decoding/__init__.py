"""Greedy decoding: by transformers' forward pass, and by our own with a static KV cache."""
