"""Answers from weights: greedy decoding, plain and with a KV cache of our own."""
