"""Lessons: the tutorials as pages. The project's own functions compute every figure and number on them."""
