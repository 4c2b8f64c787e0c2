"""The one bridge from a trained network to a classifier folder."""
