"""The life of one run: prepared, trained, measured, opened again."""
