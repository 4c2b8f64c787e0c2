"""Sources of pictures: folders, archives and CSV files."""
