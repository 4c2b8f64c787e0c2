"""Several runs side by side: seeds, comparisons, reproductions."""
