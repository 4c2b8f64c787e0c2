"""The data that has a name: found, downloaded and read."""
