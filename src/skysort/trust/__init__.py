"""How far to trust a classifier: figures, each with its uncertainty, and the report."""
