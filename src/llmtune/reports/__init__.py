"""Results as text and documents: one module per ``--format``. A module has ``estimate(...)`` and ``advice(...)``."""
