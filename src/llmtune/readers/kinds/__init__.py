"""Kinds of deployment files: one module each, found by walking this package."""
