"""Export of a trained network into a classifier folder."""
