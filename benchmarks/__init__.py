"""This project beside its peers, by turns in one run, on the same data: ``python -m benchmarks``."""
