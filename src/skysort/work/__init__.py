"""A classifier at work."""
