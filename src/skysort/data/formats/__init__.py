"""Picture formats: their first bytes, and the ends of their containers."""
