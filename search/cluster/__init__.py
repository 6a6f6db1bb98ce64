"""Searches on several machines: which nodes a Ray cluster has, what they lack, and what they are sent."""
