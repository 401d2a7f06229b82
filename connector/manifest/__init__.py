"""The manifest: typed values, how they are read, and the schemas derived from them."""
