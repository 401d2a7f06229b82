"""The door for the Model Context Protocol: `connector mcp`. It needs the extra `mcp`."""
