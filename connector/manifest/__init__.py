"""The manifest as typed values: its model, how it is read, the schemas derived from it."""
