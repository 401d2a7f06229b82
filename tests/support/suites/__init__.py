"""The standard tests of a connector, generated from its manifest.

A test module subclasses `ConnectorSuite` and defines a fixture `project`. The suite then tests
every action and every example of the manifest, so an added action is covered
without a test of its own.
"""

from __future__ import annotations

from .base import Project, project
from .examples import ExampleTests
from .inputs import InputTests
from .manifest import ManifestTests, use_on_the_command_line

__all__ = ["ConnectorSuite", "Project", "project", "use_on_the_command_line"]


class ConnectorSuite(ManifestTests, InputTests, ExampleTests):
    """All standard tests. A subclass sets `document`."""
