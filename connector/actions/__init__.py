"""One function for each action, one module for each family of actions."""
