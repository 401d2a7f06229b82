"""Files: those that the connector ships with, and the file that a result is written to."""
