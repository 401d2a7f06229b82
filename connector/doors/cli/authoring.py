"""The command `new`: a connector of one's own, made from the files in `connector/template/`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from connector.check import loading
from connector.connector import Connector
from connector.doors import page
from connector.doors.cli.terminal import OutputError
from connector.doors.cli.values import UsageError, system_reason
from connector.files import resources
from connector.problems import is_plain_name
from connector.version import DISTRIBUTION, __version__

_SUFFIX = ".tmpl"
"""Marks files in which names such as `$label` are filled in; others are copied."""

_NEXT = Template("""\
Your connector is written: $count files. Next:

  cd $folder
  connector check --manifest $package/connector.yaml
  connector invoke sendMessage --manifest $package/connector.yaml --sandbox=echo -i text=Hello
  pytest

README.md says what each file holds.""")


def new(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder.resolve()
    names = _names(folder.name)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError("DIR: the folder is not empty; give the name of a new one")
        written = _write(folder, names)
    except OSError as error:
        raise OutputError(system_reason(error)) from None
    print(_NEXT.substitute(names, folder=folder.name, count=written))
    return 0


def _names(folder: str) -> dict[str, str]:
    """Return the names of a connector in a folder: its key, label, package and so on."""
    key = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-").removesuffix("-connector")
    # A name that may be a misplaced key is refused: it would stand in each file.
    if not is_plain_name(folder) or not re.match(r"[a-z]", key) or key == "connector":
        raise UsageError("DIR: give a short name that begins with a letter, such as acme")
    return {
        "key": key,
        "label": key.replace("-", " ").title(),
        "package": key.replace("-", "_") + "_connector",
        "distribution": f"{key}-connector",
        "runtime": DISTRIBUTION,
        "version": __version__,
    }


def _write(folder: Path, names: Mapping[str, str]) -> int:
    """Write the files into `folder` and return how many there are."""
    content = dict(_filled(files("connector") / "template", "", names))
    package = names["package"]
    schema = resources.text(resources.root() / "schemas" / "manifest.schema.json")
    content[f"{package}/schemas/manifest.schema.json"] = schema.encode()
    for name, data in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    manifest = folder / package / "connector.yaml"
    made = folder / "docs" / f"{names['key']}.md"
    made.parent.mkdir()
    connector = Connector(loading.load(manifest), folder=manifest.parent)
    made.write_text(page.render(connector, page.folder_from(made, manifest)), encoding="utf-8")
    return len(content) + 1


def _filled(
    folder: Traversable, path: str, names: Mapping[str, str]
) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each file below a folder of the template."""
    for item in folder.iterdir():
        name = path + (names["package"] if item.name == "package" else item.name)
        if item.is_dir():
            yield from _filled(item, f"{name}/", names)
        elif name.endswith(_SUFFIX):
            text = Template(item.read_text(encoding="utf-8")).substitute(names)
            yield name.removesuffix(_SUFFIX), text.encode()
        else:
            yield name, item.read_bytes()
