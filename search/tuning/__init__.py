"""Which config is tried next, and which trial goes on."""
