"""From a payload's connection, or the name of one, to a provider that is ready to be called."""
