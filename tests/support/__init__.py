"""Test support: what the tests need to play the other side of the network."""
