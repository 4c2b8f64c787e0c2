"""From image files to pixels: sources, listing, split, decode, store."""
