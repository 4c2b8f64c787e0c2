"""The learning wing: from decoded pictures to a trained network."""
