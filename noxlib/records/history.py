"""``.noxlib/history.sqlite``: outcomes and durations of the tests of all runs.

Derived: the runs' folders are the truth. Whoever asks first takes in what has come since; any number of processes may.
What is damaged, or of another version, is made again from the runs.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from noxlib import locks
from noxlib.errors import RecordError
from noxlib.records import folders, merging
from noxlib.records import result as results
from noxlib.records.store import read_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxlib.records.folders import RunFolder
    from noxlib.records.record import Record

Value = TypeVar("Value")

VERSION = 2
FILE = "history.sqlite"
WAIT = 60.0  #: seconds for another process that writes
_FIRST_WAIT = 1.0  # seconds, before it is said
_PAUSE = 0.05  # seconds between two attempts
_SCHEMA = """
CREATE TABLE runs (
    name TEXT PRIMARY KEY, session TEXT, suite TEXT, python TEXT, place TEXT, outcome TEXT,
    started TEXT, commit_id TEXT, dirty INTEGER, number INTEGER UNIQUE
);
CREATE TABLE tests (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL);
CREATE TABLE results (
    test INTEGER NOT NULL, run INTEGER NOT NULL, outcome TEXT NOT NULL, seconds REAL NOT NULL,
    setup REAL NOT NULL, attempts INTEGER NOT NULL, message TEXT, PRIMARY KEY (test, run)
) WITHOUT ROWID;
"""
_TABLES = ("runs", "tests", "results")


class Damaged(Exception):
    """The file is no history of this version."""


class History:
    """The history of a checkout.

    Every method raises RecordError where another process holds the file for too long, or the disk refuses it.
    """

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        try:
            self.file = folders.derived(checkout, FILE)
        except OSError as error:
            raise _refused(checkout / FILE, error) from error

    def ask(self, question: Callable[[sqlite3.Connection], Value]) -> Value:
        """What a function reads from the database, which holds every run that has a record by now."""
        try:
            return self._asked(question)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise _refused(self.file, error) from error
            self._remove(str(error))
        except Damaged as error:
            self._remove(str(error))
        return self._again(question)

    def rebuild(self) -> None:
        """Make it again from the runs' folders."""
        self._remove("")
        self._again(lambda _: None)

    def _again(self, question: Callable[[sqlite3.Connection], Value]) -> Value:
        try:
            return self._asked(question)
        except (Damaged, sqlite3.DatabaseError) as error:
            raise _refused(self.file, error) from error

    def _asked(self, question: Callable[[sqlite3.Connection], Value]) -> Value:
        """Waits for other processes; sqlite's own waiting gives up at once where two would wait for each other."""
        end: float | None = None
        with contextlib.closing(sqlite3.connect(self.file, timeout=_FIRST_WAIT, isolation_level=None)) as database:
            while True:
                try:
                    self._take_in(database)
                    return question(database)
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error) or (end is not None and time.monotonic() > end):
                        raise
                if end is None:
                    print(f"waiting for another process that writes {self.file.name} …", flush=True)
                    end = time.monotonic() + WAIT
                time.sleep(_PAUSE)

    def _take_in(self, database: sqlite3.Connection) -> None:
        """Every run that has a record and is not in yet, each in a transaction of its own."""
        _prepare(database)
        known = {name for (name,) in database.execute("SELECT name FROM runs")}
        new = [folder for folder in folders.unsorted(self.checkout) if folder.name not in known]
        for folder in new:
            if (folder.path / "record.json").exists():
                with contextlib.suppress(RecordError):  # damaged: `nox -s report` tells of it
                    _add(database, folder, read_record(folder.path))

    def _remove(self, damage: str) -> None:
        """Remove it; where it is damaged only if another process has not made it again meanwhile."""
        with locks.wait_for(self.file.with_name(f"{FILE}.lock"), f"makes {FILE} again"):
            if damage and _is_whole(self.file):
                return
            if damage:
                print(f"noxlib: {FILE} is damaged ({damage}) and is made again from the runs", flush=True)
            try:
                for ending in ("-wal", "-shm", ""):  # the file last: who opens it anew finds none of the others
                    self.file.with_name(FILE + ending).unlink(missing_ok=True)
            except OSError as error:
                raise _refused(self.file, error) from error


def _prepare(database: sqlite3.Connection) -> None:
    """Make the tables where the file is new. Raises Damaged for one that is not ours, or of another version."""
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        database.execute("PRAGMA journal_mode = WAL")  # left as it was where the file system cannot
        with _transaction(database):
            if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {VERSION}")
        version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise Damaged(f"it is of version {version}, this noxlib's is {VERSION}")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is to blame; else the disk, its rights, or another process."""
    return not isinstance(error, sqlite3.OperationalError) or "no such" in str(error)


def _is_whole(file: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=_FIRST_WAIT)) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            tables = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
            checked = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError:
        return False
    return bool((version, tables, checked) == (VERSION, len(_TABLES), "ok"))


def _refused(file: Path, error: Exception) -> RecordError:
    if "locked" in str(error):
        what = f"{file} has been locked by another process for {WAIT:g} s"
        return RecordError(what, f"wait for it, or end it (`fuser {file}` names it)")
    return RecordError(f"{file} cannot be used: {error}", "make it writable, or free space there")


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """One writer at a time, from the beginning: nobody fails half-way because another was faster."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _add(database: sqlite3.Connection, folder: RunFolder, record: Record) -> None:
    """Take a run in, once, whoever else does so at this moment."""
    merged = merging.Merged()
    merged.add(merging.Part(record.started, folder.name), results.events(folder.path / "report.jsonl"))
    messages = {failure.id: failure.message for failure in record.failures}
    with _transaction(database):
        if database.execute("SELECT 1 FROM runs WHERE name = ?", (folder.name,)).fetchone():
            return
        number = database.execute("SELECT coalesce(max(number), 0) + 1 FROM runs").fetchone()[0]
        database.execute("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?)", (*_of_run(folder, record), number))
        database.executemany("INSERT OR IGNORE INTO tests (id) VALUES (?)", [(test,) for test, _ in merged])
        statement = "INSERT INTO results SELECT number, ?, ?, ?, ?, ?, ? FROM tests WHERE id = ?"
        database.executemany(statement, (_of_test(number, test, found[""], messages) for test, found in merged))


def _of_run(folder: RunFolder, record: Record) -> tuple[Any, ...]:
    names = (record.session, record.suite, record.python, record.place.name if record.place else "")
    return (
        folder.name,
        *(results.text(name, 200) for name in names),
        record.outcome,
        record.started,
        record.source.commit,
        record.source.dirty,
    )


def _of_test(number: int, test: str, attempt: merging.Attempt, messages: Mapping[str, str]) -> tuple[Any, ...]:
    return (number, attempt.outcome, attempt.seconds, attempt.setup, attempt.attempts, messages.get(test), test)
