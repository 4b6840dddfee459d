"""A PostgreSQL database for each test, cloned from a sealed copy of the one that migrations made.

Who is alive is the server's own word: each process holds a shared advisory lock, by the number in its databases'
names, before they exist. The lock goes with the process' session, however that ends; databases whose lock nobody holds
are dropped by whoever comes next.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from typing import TYPE_CHECKING, Any, Callable, TypeVar
from urllib.parse import quote

from . import postgres_urls
from .databases import Database, DatabaseError, said, worker

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
OLDEST = 130000  # DROP DATABASE … WITH (FORCE)
STRATEGIES = 150000  # CREATE DATABASE … STRATEGY
CLONING = 0x6E6F786C6962  # "noxlib": the advisory lock of whoever clones
RUNS = """
    SELECT DISTINCT run FROM (SELECT substring(datname FROM '^noxlib_([0-9a-f]{15})_') AS run FROM pg_database) AS found
    WHERE run IS NOT NULL AND run <> %s
"""
SETTINGS = """
    SELECT CASE WHEN setrole = 0 THEN NULL ELSE pg_get_userbyid(setrole) END, unnest(setconfig)
    FROM pg_db_role_setting JOIN pg_database AS one ON one.oid = setdatabase WHERE datname = %s
"""
#: Locks are seen from every database of the server, and held in one.
HELD = """
    SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND (classid::bigint << 32) | objid::bigint = %s LIMIT 1
"""
#: Settings that are lists: their value is stored as it is written, and is no string of its own.
LISTS = ("local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces")
#: The server ends its own autovacuum where that is in the way.
OTHERS = """
    SELECT string_agg(DISTINCT coalesce(nullif(application_name, ''), 'pid ' || pid) ||
        coalesce(' at ' || host(client_addr), ''), ', ') FROM pg_stat_activity
    WHERE datname = %s AND backend_type <> 'autovacuum worker'
"""


class Postgres:
    """The databases of one process of a test run.

    Args:
        url: Of the database that is copied, as libpq or SQLAlchemy write it; empty: what PGHOST and its like say.
    """

    def __init__(self, url: str) -> None:
        self.driver = driver()
        self.url = url
        self.parameters = self._parameters()
        self.source = str(self.parameters["dbname"])
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex  # --testrunuid takes any text
        self.run = hashlib.sha256(os.fsencode(run)).hexdigest()[:15]
        self.template = f"noxlib_{self.run}_template"
        self.made = 0
        self.session: Any = None

    def begin(self) -> None:
        """Connect, drop what dead runs left, and make the sealed copy where no other process of this run has."""
        with self._explained():
            self._ask("SELECT 1")
            self._sweep()
            self._seal()

    def new(self) -> Database:
        """A database that nobody else has."""
        with self._explained():
            name = self._lasting(self._clone)
        return Database(name, self._url_of(name), {**self.parameters, "dbname": name})

    def drop(self, database: Database) -> None:
        """Drop a database, whoever is connected to it; of a server that is down, the last one of the run does."""
        with self._explained():
            try:
                self._lasting(lambda: self._drop(database.name))
            except self.driver.OperationalError:
                if self.session is not None and not self.session.closed:
                    raise

    def end(self) -> None:
        """Let go; the last process of the run drops its sealed copy."""
        with contextlib.suppress(self.driver.Error, DatabaseError):  # or else whoever comes next does
            self._ask("SELECT pg_advisory_unlock_shared(%s)", int(self.run, 16))
            self._drop_dead(self.run)
        if self.session is not None:
            self.session.close()

    def _parameters(self) -> dict[str, Any]:
        scheme, _, rest = self.url.partition("://")
        if rest and scheme.partition("+")[0] not in ("postgresql", "postgres"):
            raise DatabaseError(f"DATABASE_URL is of {scheme}, not of PostgreSQL", "name another by --postgres-url")
        try:
            url = postgres_urls.of_libpq(self.url, postgres_urls.known(self.driver)) if rest else self.url
            given = self.driver.conninfo.conninfo_to_dict(url)
        except self.driver.ProgrammingError as error:
            raise DatabaseError(f"the URL of PostgreSQL is none: {said(error)}", "correct DATABASE_URL") from None
        known = ("host", "PGHOST"), ("port", "PGPORT"), ("user", "PGUSER"), ("password", "PGPASSWORD")
        found = {name: os.environ[variable] for name, variable in known if variable in os.environ}
        found = {"dbname": os.environ.get("PGDATABASE", ""), **found, **given}
        if not found.get("host"):
            raise DatabaseError("where is PostgreSQL?", "set DATABASE_URL, or --postgres-url env:NAME")
        return {**found, "dbname": found["dbname"] or found.get("user", "postgres")}

    def _url_of(self, name: str) -> str:
        if "://" in self.url:
            return postgres_urls.of_database(self.url, name)
        at = {key: quote(str(self.parameters.get(key) or ""), safe="") for key in ("user", "password", "host", "port")}
        return "postgresql://{user}:{password}@{host}:{port}/".format(**at) + name

    def _lasting(self, do: Callable[[], T]) -> T:
        """Do something; where a session was lost meanwhile once more: a test may have had the server started anew."""
        session = self.session
        try:
            return do()
        except self.driver.OperationalError:
            if session is None or not session.closed:
                raise
        return do()

    def _clone(self) -> str:
        self.made += 1
        name = f"noxlib_{self.run}_{worker()}_{self.made}"
        self._seal()
        with self._cloning():
            self._copy(self.template, name)
        return name

    def _ask(self, query: Any, *values: Any) -> list[Any]:
        """Ask the server; a session that it lost is begun anew."""
        if self.session is None or self.session.closed:
            beside = "template1" if self.source == "postgres" else "postgres"  # what is copied has no sessions
            named = {"connect_timeout": 10, "application_name": "noxlib", **self.parameters, "dbname": beside}
            self.session = self.driver.connect(**named, autocommit=True)
            if self.session.info.server_version < OLDEST:
                raise DatabaseError("postgres_database needs PostgreSQL 13 or later", "take a newer image")
            self.session.execute("SELECT pg_advisory_lock_shared(%s)", (int(self.run, 16),))
        cursor = self.session.execute(query, values or None)
        return list(cursor.fetchall()) if cursor.description else []

    def _sweep(self) -> None:
        for (run,) in self._ask(RUNS, self.run):
            self._drop_dead(run)

    def _drop_dead(self, run: str) -> None:
        """Drop all databases of a run of which no process is alive."""
        if self._ask(HELD, int(run, 16)):
            return
        errors = self.driver.errors
        others = (errors.InsufficientPrivilege, errors.InvalidCatalogName, errors.InternalError, errors.ObjectInUse)
        for (name,) in self._ask("SELECT datname FROM pg_database WHERE datname LIKE %s", rf"noxlib\_{run}\_%"):
            with contextlib.suppress(*others):  # another user's, or dropped by another process, or not let go of yet
                self._drop(name)

    def _drop(self, name: str) -> None:
        if name.endswith("_template"):
            with contextlib.suppress(self.driver.errors.ObjectNotInPrerequisiteState):  # its drop has begun already
                self._do("ALTER DATABASE {} IS_TEMPLATE false", name)
        self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _seal(self) -> None:
        """Copy the migrated database once, and let nobody connect to the copy: a template must have no connections."""
        sealed = "SELECT datistemplate FROM pg_database WHERE datname = %s"
        if self._ask(sealed, self.template) == [(True,)]:
            return
        with self._cloning():
            if self._ask(sealed, self.template) == [(True,)]:
                return
            self._drop(self.template) if self._ask(sealed, self.template) else None  # its maker was killed
            self._copy(self.source, self.template)
            self._do("ALTER DATABASE {} ALLOW_CONNECTIONS false IS_TEMPLATE true", self.template)

    def _copy(self, template: str, name: str) -> None:
        """A clone, with what CREATE DATABASE leaves behind: the owner, and the settings by ALTER DATABASE … SET."""
        found = self._ask("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", self.source)
        if not found:
            raise DatabaseError(f"PostgreSQL has no database {self.source}", "make it, or name another by DATABASE_URL")
        self._do(f"CREATE DATABASE {{}} TEMPLATE {{}} OWNER {{}} {self._strategy()}", name, template, found[0][0])
        for role, setting in self._ask(SETTINGS, self.source):
            self._set(name, role, *setting.split("=", 1))

    def _strategy(self) -> str:
        """Copying files takes half the time of logging pages, and three times as long where it waits for a disk."""
        known = self.session.info.server_version >= STRATEGIES
        return "STRATEGY file_copy" if known and self._ask("SHOW fsync") == [("off",)] else ""

    def _set(self, name: str, role: str | None, key: str, value: str) -> None:
        sql = self.driver.sql
        written = sql.SQL(value) if key in LISTS else sql.Literal(value)
        head = "ALTER DATABASE {name} SET " if role is None else "ALTER ROLE {role} IN DATABASE {name} SET "
        names = {"name": sql.Identifier(name), "role": sql.Identifier(role or "")}
        names["key"] = sql.Identifier(*key.split("."))
        self._ask(sql.SQL(head + "{key} TO {value}").format(value=written, **names))

    def _do(self, statement: str, *names: str) -> None:
        sql = self.driver.sql
        self._ask(sql.SQL(statement).format(*map(sql.Identifier, names)))

    @contextlib.contextmanager
    def _cloning(self) -> Iterator[None]:
        """One at a time, in all of the server: copies side by side are slower than one after the other."""
        self._ask("SELECT pg_advisory_lock(%s)", CLONING)
        try:
            yield
        finally:
            with contextlib.suppress(self.driver.Error):  # it went with the session
                self._ask("SELECT pg_advisory_unlock(%s)", CLONING)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self.driver.errors.ObjectInUse as error:
            users = self._ask(OTHERS, self.source)[0][0] or said(error)
            raise DatabaseError(
                f"the database {self.source} cannot be copied while others are connected to it: {users}",
                "let them disconnect before the tests, or give postgres_database a database of its own",
            ) from None
        except self.driver.errors.InsufficientPrivilege as error:
            raise DatabaseError(
                f"the user {self.parameters.get('user')} may not: {said(error)}",
                "ALTER ROLE … CREATEDB, or another user",
            ) from None
        except self.driver.Error as error:
            where = f"{self.parameters['host']}:{self.parameters.get('port') or 5432}"
            raise DatabaseError(
                f"PostgreSQL at {where}: {said(error)}", "look at its log, and at what DATABASE_URL says"
            ) from None


def driver() -> Any:
    """The module psycopg. Raises DatabaseError where it is not installed."""
    try:
        import psycopg  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - an extra
    except ImportError as error:
        raise DatabaseError(
            f"postgres_database needs psycopg, which is not here: {said(error)}",
            'add fixtures = ["postgres"] to [tool.noxlib], or install noxlib[postgres]',
        ) from None
    return psycopg
