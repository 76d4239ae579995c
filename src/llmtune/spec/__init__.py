"""The nouns: frozen dataclasses that every other package speaks in. Standard library only."""
