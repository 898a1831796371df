"""A workspace may come with somebody else's `.vespiary`."""

import asyncio
import os
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from ledger import requirement
from support.journals import KEY, RUN, fill, make, open_store, program
from vespiary.journal.errors import JournalError
from vespiary.journal.key import load_key
from vespiary.journal.schema import SCHEMA, Schema, Shape
from vespiary.journal.store import JournalStore

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and links of POSIX")


def database(root: Path) -> Path:
    return root / ".vespiary" / "journal.db"


def refused(root: Path, code: str = "journal.folder") -> JournalError:
    with pytest.raises(JournalError) as caught:
        open_store(root)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


def set_aside(root: Path, why: str = "foreign") -> list[str]:
    """Names of what was moved aside by opening, which makes a new journal."""
    with open_store(root) as store:
        assert store.runs() == []
        assert store.check() == []
        assert len(store.notices) == 1
        assert why in store.notices[0]
    return sorted(path.name for path in (root / ".vespiary").glob(f"journal.db.{why}*"))


@requirement("journal:folder")
@posix
def test_the_folder_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    folder = tmp_path / ".vespiary"
    folder.mkdir(mode=0o755)
    (folder / ".gitignore").write_text("!*\n", encoding="utf-8")
    make(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text(encoding="utf-8") == "*\n"
    assert stat.S_IMODE(database(tmp_path).stat().st_mode) == 0o600


@requirement("journal:folder")
@posix
@pytest.mark.parametrize("name", [".vespiary", ".vespiary/owners", ".vespiary/journal.db", ".vespiary/journal.db-wal"])
def test_no_link_is_followed(tmp_path: Path, name: str) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    link = root / name
    if link.parent != root:
        make(root)
        if link.is_dir():
            for path in link.iterdir():
                path.unlink()
            link.rmdir()
        link.unlink(missing_ok=True)
    elsewhere.mkdir()
    link.symlink_to(elsewhere)
    assert "link" in refused(root).message
    assert list(elsewhere.iterdir()) == []


@requirement("journal:folder")
@pytest.mark.parametrize("name", [".vespiary", ".vespiary/owners", ".vespiary/journal.db"])
def test_what_is_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if name.endswith("db"):
        path.mkdir()
    else:
        path.write_text("a file", encoding="utf-8")
    refused(tmp_path)


@requirement("journal:folder")
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", [".vespiary", ".vespiary/journal.db"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path)
    os.chown(tmp_path / name, 12345, 12345)
    refused(tmp_path, "journal.owner")


@requirement("journal:foreign")
def test_a_journal_made_with_another_key_is_moved_aside_with_all_its_runs(tmp_path: Path) -> None:
    make(tmp_path)
    content = database(tmp_path).read_bytes()
    with open_store(tmp_path, key=b"x" * 32) as store:
        assert store.runs() == store.unfinished() == []
        assert "was not made by you" in store.notices[0]
    assert (tmp_path / ".vespiary" / "journal.db.foreign-1").read_bytes() == content
    assert set_aside(tmp_path) == ["journal.db.foreign-1", "journal.db.foreign-2"]


@requirement("journal:foreign")
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON frames BEGIN DELETE FROM heads; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE INDEX i ON frames (count)",
        "ALTER TABLE runs ADD COLUMN more TEXT DEFAULT 'x'",
        "CREATE TABLE sqlar (name TEXT)",
        "PRAGMA application_id=7",
        "DELETE FROM meta",
        "DROP TABLE trash",
        "PRAGMA user_version=0",
    ],
)
def test_a_journal_with_anything_else_in_it_is_not_used(tmp_path: Path, statement: str) -> None:
    make(tmp_path)
    connection = sqlite3.connect(database(tmp_path), isolation_level=None)
    connection.execute(statement)
    connection.close()
    assert set_aside(tmp_path) == ["journal.db.foreign-1"]


@requirement("journal:foreign", "journal:damage")
@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(50)])
def test_what_is_no_database_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    database(tmp_path).parent.mkdir()
    database(tmp_path).write_bytes(content)
    assert set_aside(tmp_path, "damaged") == ["journal.db.damaged-1"]
    assert (tmp_path / ".vespiary" / "journal.db.damaged-1").read_bytes() == content


@requirement("journal:foreign")
def test_a_log_without_its_database_is_not_replayed_into_a_new_one(tmp_path: Path) -> None:
    database(tmp_path).parent.mkdir()
    (tmp_path / ".vespiary" / "journal.db-wal").write_bytes(b"log")
    assert set_aside(tmp_path) == ["journal.db.foreign-1-wal"]


@requirement("journal:foreign")
def test_a_rollback_journal_is_not_carried_out(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / ".vespiary" / "journal.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600))
    with open_store(tmp_path) as store:
        assert len(store.runs()) == 2
        assert "rollback journal" in store.notices[0]
    assert not (tmp_path / ".vespiary" / "journal.db-journal").exists()


@requirement("journal:foreign")
def test_a_file_that_a_living_process_uses_stays_where_it_is(tmp_path: Path) -> None:
    with open_store(tmp_path):
        with pytest.raises(JournalError) as caught:
            open_store(tmp_path, key=b"x" * 32)
        assert caught.value.code == "journal.foreign"
        assert "End that one" in str(caught.value)
        with open_store(tmp_path) as again:
            assert again.notices == []


@requirement("journal:versions")
def test_an_older_journal_is_brought_up_to_date_and_a_newer_one_refused(tmp_path: Path) -> None:
    make(tmp_path)
    newer = Schema(
        migrations=(
            lambda connection: connection.execute("ALTER TABLE specs ADD COLUMN kind TEXT"),
            lambda connection: connection.execute("CREATE TABLE extra (name TEXT)"),
        )
    )
    with open_store(tmp_path) as older:
        with pytest.raises(JournalError) as caught:
            open_store(tmp_path, schema=newer)
        assert caught.value.code == "journal.old"
        assert older.check() == []
    with pytest.raises(JournalError) as caught:
        open_store(tmp_path, schema=newer, read_only=True)
    assert caught.value.code == "journal.old"
    with open_store(tmp_path, schema=newer) as store:
        assert store.notices == []
        assert len(list(store.entries(RUN))) == 35
    assert "Update Vespiary" in str(refused(tmp_path, "journal.newer"))
    assert SCHEMA.version == 1


@requirement("journal:versions")
def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (name TEXT)")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    class Broken(Schema):
        def shape(self, version: int) -> Shape:
            return SCHEMA.shape(1)

    with pytest.raises(JournalError):
        open_store(tmp_path, schema=Broken(migrations=(fail,)))
    with open_store(tmp_path) as store:
        assert (store.notices, len(store.runs()), store.check()) == ([], 2, [])


@requirement("journal:foreign")
def test_reading_makes_and_moves_nothing(tmp_path: Path) -> None:
    for code in ("journal.none", "journal.foreign"):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(JournalError) as caught:
            open_store(tmp_path, read_only=True, key=b"x" * 32)
        assert caught.value.code == code
        assert {path.name for path in tmp_path.rglob("*")} - {path.name for path in before} <= {
            "journal.db-wal",
            "journal.db-shm",
        }
        if code == "journal.none":
            make(tmp_path)


@requirement("journal:key")
@posix
def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "vespiary"
    code = "import sys; from pathlib import Path; from vespiary.journal.key import load_key; sys.stdin.read()\n"
    code += "print(load_key(Path(sys.argv[1])).hex())"
    programs = [program(code, folder) for _ in range(4)]
    for each in programs:
        assert each.stdin is not None
        each.stdin.close()
        each.stdin = None
    keys = {each.communicate()[0].strip() for each in programs}
    assert keys == {load_key(folder).hex()}
    assert stat.S_IMODE((folder / "journal.key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["journal.key"]


@requirement("journal:key")
@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_what_is_no_key_is_an_error_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal.key").write_bytes(content)
    with pytest.raises(JournalError) as caught:
        load_key(tmp_path)
    assert caught.value.code == "journal.key"


@requirement("journal:foreign")
def test_a_copied_journal_of_the_same_user_goes_on(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / ".vespiary").rename(tmp_path / "moved")

    async def work() -> None:
        with JournalStore.open(tmp_path / "moved", key=KEY) as store:
            assert store.claim(RUN)
            await fill(store, RUN, 1, 1, begin=False)

    asyncio.run(work())
