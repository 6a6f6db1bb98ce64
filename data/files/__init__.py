"""Reading and writing the project's own file format, line by line."""
