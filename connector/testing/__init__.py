"""The standard tests of a connector, made from its manifest. They need the extra `testing`.

    class TestMine(standard_tests("my_connector/connector.yaml")):
        def test_more(self, connector, sandbox): ...

The tests run each example on the sandbox, and try wrong inputs, a wrong key and failures.
"""

from __future__ import annotations

try:
    import pytest
except ModuleNotFoundError:
    from connector.version import DISTRIBUTION

    raise ModuleNotFoundError(
        f"connector.testing needs pytest: pip install '{DISTRIBUTION}[testing]'", name="pytest"
    ) from None

# Before the import below, so that a failure shows both sides.
for _name in ("base", "examples", "inputs", "manifest"):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")

from connector.testing.suite import StandardTests, standard_tests  # noqa: E402

__all__ = ["StandardTests", "standard_tests"]
