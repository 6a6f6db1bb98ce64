"""PEFT and Unsloth behind one protocol, and the base that stays loaded."""
