"""Ray, the driver of a search, and confirming runs."""
