"""What is done to one text: groups, windows, redaction, augmentation."""
