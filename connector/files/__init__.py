"""Files that the connector reads and writes: those it ships with, and a result's."""
