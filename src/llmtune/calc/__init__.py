"""The verbs: pure functions from the nouns to numbers. Facts are passed in; nothing here reads a file."""
