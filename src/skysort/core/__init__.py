"""The ground: errors, files, locks, text and progress. Every room stands on it."""
