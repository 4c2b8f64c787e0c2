"""Using a classifier: predict, sort, watch, and undo, with a journal of every move."""
