"""Installations that are moved: links into them by their absolute place are made relative.

OpenCode's releases about 1.0 link their program so when they are installed.
"""

from __future__ import annotations

import os
from pathlib import Path


def make_relative(folder: Path) -> int:
    """Make absolute symbolic links inside a folder that lead into it relative; gives how many.

    Raises:
        OSError: a link cannot be replaced.
    """
    root = folder.resolve()
    changed = 0
    for place, folders, files in os.walk(root):
        for name in (*folders, *files):
            link = Path(place, name)
            if not link.is_symlink():
                continue
            target = link.readlink()
            inside = _inside(target, (root, folder))
            if inside is not None:
                link.unlink()
                link.symlink_to(os.path.relpath(root / inside, place))
                changed += 1
    return changed


def _inside(target: Path, roots: tuple[Path, ...]) -> Path | None:
    """Where below one of the roots an absolute target lies."""
    for root in roots:
        if target.is_absolute() and target.is_relative_to(root):
            return target.relative_to(root)
    return None
