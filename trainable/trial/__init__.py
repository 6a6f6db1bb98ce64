"""One trial as Ray sees it."""
