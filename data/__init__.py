"""What a trial learns from: entities, formats, prompts and the bundled sample corpus."""
