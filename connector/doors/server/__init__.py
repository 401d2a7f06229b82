"""The HTTP door: `connector serve`. It needs the extra `server`."""
