"""Entry points: each parses its protocol and calls the connector; none names an action."""
