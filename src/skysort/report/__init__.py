"""Self-contained pages that a person can show a colleague."""
