"""From image files to pixels: sources, listing, cut into splits, decode, store."""
