"""A recipe: everything that decides what a run computes."""
