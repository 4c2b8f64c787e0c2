"""Built-in data sets: finding, downloading and reading them."""
