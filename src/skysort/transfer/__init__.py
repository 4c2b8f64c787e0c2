"""Learned weights put to use without PyTorch: a frozen backbone's features, and a head fitted to them."""
