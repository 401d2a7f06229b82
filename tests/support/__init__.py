"""Support for tests: servers, clients and checks."""
