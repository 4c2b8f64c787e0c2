"""Where pictures come from: folders, archives and tables."""
