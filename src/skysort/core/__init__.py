"""The base of all other packages: errors, files, locks, logging, text and progress."""
