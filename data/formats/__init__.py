"""Everything that labelling tools and public data sets export."""
