"""One trial: its config, base model, training loop, generation and metric."""
