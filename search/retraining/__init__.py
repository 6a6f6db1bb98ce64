"""The winner at full length."""
