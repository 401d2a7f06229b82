"""Compiles the manifest to JSON for the wheel: a cold start then parses no YAML."""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds `connector/_bundled/connector.json` to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the manifest, but for an editable install: that one reads the YAML itself."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        # Without the package's own `__init__`, whose dependencies are not there at build time.
        package = types.ModuleType("connector")
        package.__path__ = [str(root / "connector")]
        sys.modules["connector"] = package
        safe_yaml = importlib.import_module("connector.text.safe_yaml")
        manifest = safe_yaml.loads((root / "connector.yaml").read_text(encoding="utf-8"))
        self.folder = tempfile.TemporaryDirectory()
        compiled = Path(self.folder.name) / "connector.json"
        compiled.write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
        build_data["force_include"][str(compiled)] = "connector/_bundled/connector.json"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what `initialize` wrote."""
        if hasattr(self, "folder"):
            self.folder.cleanup()
