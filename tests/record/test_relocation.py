"""Links that survive the move of what they are in."""

from __future__ import annotations

from pathlib import Path

from replay.record.relocation import make_relative


def test_links_into_the_folder_survive_its_move(tmp_path: Path) -> None:
    old = tmp_path / "old"
    (old / "a" / "b").mkdir(parents=True)
    (old / "a" / "b" / "program").write_text("it")
    (old / "c").mkdir()
    (old / "c" / "absolute").symlink_to(old / "a" / "b" / "program")
    (old / "c" / "folder").symlink_to(old / "a" / "b")
    (old / "c" / "relative").symlink_to("../a/b/program")
    (old / "c" / "dangling").symlink_to(old / "nothing")
    (tmp_path / "outside").write_text("other")
    (old / "c" / "outside").symlink_to(tmp_path / "outside")
    assert make_relative(old) == 3
    new = tmp_path / "new"
    old.rename(new)
    assert (new / "c" / "absolute").read_text() == "it"
    assert (new / "c" / "folder" / "program").read_text() == "it"
    assert (new / "c" / "relative").read_text() == "it"
    assert (new / "c" / "outside").read_text() == "other"
    assert (new / "c" / "dangling").readlink() == Path("../nothing")
    assert make_relative(new) == 0


def test_a_folder_that_is_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "named").symlink_to(tmp_path / "real")
    folder = tmp_path / "named"
    (folder / "program").write_text("it")
    (folder / "one").symlink_to(folder / "program")
    (folder / "two").symlink_to(tmp_path / "real" / "program")
    assert make_relative(folder) == 2
    assert {(folder / name).readlink() for name in ("one", "two")} == {Path("program")}
