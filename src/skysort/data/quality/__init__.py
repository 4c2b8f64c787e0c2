"""What would make figures lie: duplicates, groups and leaks."""
