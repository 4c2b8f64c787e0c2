"""Over HTTP: a service for programs, and a studio for people. No module here imports PyTorch."""
