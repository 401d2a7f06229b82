"""One function for each action, a module for each family of them."""
