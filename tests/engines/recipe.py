"""Blocks of the recipes, run as they stand in the document.

The programs here get JSON on stdin: `blocks` to run in order, and `spoil`, files that the last
block has no reason to open. They print one line of JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any


class Recipe:
    """The blocks of one recipe, and the names that they made."""

    def __init__(self) -> None:
        given = json.load(sys.stdin)
        self._blocks: list[str] = given["blocks"]
        self._spoil = [Path(path) for path in given["spoil"]]
        self.names: dict[str, Any] = {"__name__": "recipe"}
        for block in self._blocks:
            self._run(block)

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def again(self) -> None:
        """Run the last block once more."""
        self._run(self._blocks[-1])

    def spoil(self) -> None:
        """Make everything that must not be opened unreadable."""
        for path in self._spoil:
            path.unlink()
            path.write_bytes(b"nothing of any use")

    def _run(self, block: str) -> None:
        exec(compile(block, "docs/recipes.md", "exec"), self.names)


def tell(**answer: Any) -> None:
    """Print the answer; what JSON has no word for is told as text."""
    print("\n" + json.dumps(answer, default=str))
