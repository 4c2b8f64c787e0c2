"""Experiments with several runs: seeds, comparisons, reproductions."""
