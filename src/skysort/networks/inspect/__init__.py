"""The layers of a network, their receptive fields, and a person's own networks."""
