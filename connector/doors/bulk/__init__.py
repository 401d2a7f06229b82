"""The bulk door: one action over a file of rows. It needs the extra `bulk`."""
