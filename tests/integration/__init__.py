"""Tests that need a browser, Node.js or an engine. `sh dev.sh integration` runs them."""
