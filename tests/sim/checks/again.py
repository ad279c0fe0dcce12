"""(9) What the capture gives when it is replayed is what was written live, byte for byte."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from recorder import finishing, recovery
from recorder.store.paths import Root
from tests.sim.evidence import Evidence


def check_again(evidence: Evidence) -> Iterator[str]:
    """Seal what was recorded live, rebuild it from the capture, and compare the files."""
    origin = evidence.run.root
    finishing.seal(origin, include_current=True)
    with tempfile.TemporaryDirectory(prefix="again-", dir=origin.parent) as folder:
        again = Path(folder)
        recovery.rebuild(Root(origin), Root(again))
        files = _files(origin)
        if files != _files(again):
            yield f"other files: {sorted(files ^ _files(again))[:5]}"
        for file in sorted(files & _files(again)):
            if (origin / file).read_bytes() != (again / file).read_bytes():
                yield f"{file} is another file when the capture is replayed"


def _files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.glob("*/**/hour=*/*.parquet")}
