"""Picture formats by their first bytes, and where their containers end."""
