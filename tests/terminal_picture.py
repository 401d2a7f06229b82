"""Draws docs/images/terminal.svg: commands, and what they print on a terminal.

Run `python -m tests.terminal_picture` after the output of these commands has changed.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

from tests.support import pseudo_terminal

PICTURE = pseudo_terminal.REPOSITORY / "docs" / "images" / "terminal.svg"

COLUMNS = 90

TEXT = "The tide tables were first printed in 1861.\n"
"""What is in the file `tides.txt` when the commands run."""

COMMANDS = (
    "connector invoke summarizeText --sandbox --model gpt-4o --text-to-summarize @tides.txt",
    "connector invoke createImage --sandbox --prompt 'A lighthouse' --output dawn.png",
    "connector invoke createChatCompletion --sandbox --temperature 7 --top-p 7",
    "connector test-connection --sandbox=azure",
)

# rich's own format fetches a font from another host.
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
{styles}
.terminal-matrix {{ font-family: "Fira Code", Menlo, Consolas, monospace; font-size: 20px; }}
</style>
<defs>
<clipPath id="terminal-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#terminal-clip-terminal)">
{backgrounds}
<g class="terminal-matrix">
{matrix}
</g>
</g>
</svg>
"""


def recorded() -> str:
    """Return the commands, each after a prompt, and what they print, with the terminal's codes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tides.txt").write_text(TEXT)
        return "\n".join(
            f"\x1b[32m$\x1b[0m \x1b[1m{command}\x1b[0m\n{_output(command, Path(folder))}"
            for command in COMMANDS
        )


def _output(command: str, folder: Path) -> str:
    words = shlex.split(command)[1:]
    return pseudo_terminal.run(words, columns=COLUMNS, cwd=folder)[1].rpartition("\r")[2]


def main() -> None:
    from rich.console import Console
    from rich.text import Text

    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(recorded()))
    svg = console.export_svg(title="", code_format=_FORMAT, unique_id="terminal")
    lines = [line.strip() for line in svg.splitlines()]
    PICTURE.write_text("".join(f"{line}\n" for line in lines if line))


if __name__ == "__main__":
    main()
