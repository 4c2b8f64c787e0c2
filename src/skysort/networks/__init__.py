"""The networks of the tutorials, as PyTorch modules."""
