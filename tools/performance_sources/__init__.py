"""Readers of public measurements, one module a source, for ``make_performance_rows.py``."""
