"""Which trial goes to which worker, and how many at a time."""
