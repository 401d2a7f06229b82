"""The handlers of the second connector."""
