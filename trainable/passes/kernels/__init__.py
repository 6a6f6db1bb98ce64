"""Triton kernels of the passes, where they are used, and how they are compiled."""
