"""Answers over HTTP: a service for programs. No module here imports PyTorch."""
