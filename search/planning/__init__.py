"""Everything that is decided before a search starts."""
