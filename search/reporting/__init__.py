"""The report: its model, its words and its renderers."""
