"""`python -m skysort` is the command line."""

from skysort.cli import run

run()
