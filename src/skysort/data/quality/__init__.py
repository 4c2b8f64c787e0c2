"""Quality of the data: duplicates, groups, leaks and other problems."""
