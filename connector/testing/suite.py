"""All standard tests in one class, and the function that makes one for a manifest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from connector.testing.examples import ExampleTests
from connector.testing.inputs import InputTests
from connector.testing.manifest import ManifestTests


class StandardTests(ManifestTests, InputTests, ExampleTests):
    """All standard tests. Set `manifest` in a subclass, or call `standard_tests`.

    Its fixtures for further tests are `connector`, with the manifest's actions, and `sandbox`, the
    offline provider; `self.connection(sandbox)` leads there.
    """


def standard_tests(
    manifest: str | os.PathLike[str],
    *,
    handlers: str | None = None,
    page: str | os.PathLike[str] | None = None,
    frozen: Iterable[str | os.PathLike[str]] = (),
    kinds: Sequence[str] = ("echo",),
) -> type[StandardTests]:
    """Return the standard tests of a manifest, as a class for a test module.

    `handlers` is the package of its functions; where absent, the one that the manifest names.
    `page` is the committed page, which must be current. `frozen` are manifests as they were
    released, which must still load and run. `kinds` are those of the sandbox that examples run on:
    with `echo` an example may also end with `invalid_response`, since its handler may expect more
    than its own request.
    """

    class Tests(StandardTests):
        pass

    Tests.set_up(
        Path(manifest), handlers, Path(page) if page else None, [*map(Path, frozen)], kinds
    )
    return Tests
