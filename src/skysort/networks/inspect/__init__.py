"""What a network is made of, what it sees, and networks of one's own."""
