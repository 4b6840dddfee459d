"""The plugin alone, in a pytest of its own beside a run's; each with a database to copy that nobody else uses.

Others are at work on the same server, tests of this file among them: each looks at what its own pytest made alone.
"""

import hashlib
import os
import signal
import subprocess
import sys
import time
import uuid

import psycopg
import pytest

pytestmark = pytest.mark.integration
SERVER = os.environ["DATABASE_URL"].replace("+psycopg", "") if "DATABASE_URL" in os.environ else ""
USES = """
import psycopg

def test_one(postgres_database):
    with psycopg.connect(**postgres_database.parameters) as connection:
        connection.execute("CREATE TABLE mine (id int)")

def test_two(postgres_database):
    with psycopg.connect(**postgres_database.parameters) as connection:
        connection.execute("CREATE TABLE mine (id int)")
"""
WAITS = """
import pathlib, time

def test_waits(postgres_database):
    pathlib.Path("begun").touch()
    while not pathlib.Path("done").exists():
        time.sleep(0.05)

def test_after(postgres_database):
    pass
"""


def ask(query, *values):
    with psycopg.connect(SERVER, dbname="postgres", autocommit=True) as connection:
        cursor = connection.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []


class Run:
    """A run of pytest whose databases are known by their names."""

    def __init__(self):
        uid = uuid.uuid4().hex
        self.variables = {"PYTEST_XDIST_TESTRUNUID": uid}
        self.number = hashlib.sha256(uid.encode()).hexdigest()[:15]

    def left(self):
        query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
        return {name for (name,) in ask(query, f"noxlib_{self.number}_")}

    def locks(self):
        """The server sees a while after a process has been killed that nobody is at the other end."""
        key = "(classid::bigint << 32) | objid::bigint"
        return ask(f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND {key} = %s", int(self.number, 16))


@pytest.fixture
def source():
    name = f"own_{uuid.uuid4().hex[:8]}"
    ask(f"CREATE DATABASE {name}")
    yield name
    ask(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def alone(tmp_path):
    """Start pytest in an empty folder, with the plugin and no session of noxlib."""
    begun = []

    def start(code, *words, **variables):
        (tmp_path / "test_it.py").write_text(code)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("NOXLIB", "PYTEST"))}
        library = os.path.dirname(os.path.dirname(os.path.abspath(sys.modules["noxlib_inside"].__file__)))
        path = os.pathsep.join(filter(None, (library, environment.get("PYTHONPATH"))))
        argv = [sys.executable, "-m", "pytest", "-p", "noxlib_inside.plugin", "-p", "no:cacheprovider", "-W", "error"]
        process = subprocess.Popen(
            [*argv, "-c", os.devnull, "--rootdir", str(tmp_path), *words, "test_it.py"],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": path, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


def output(process):
    return process.communicate(timeout=600)[0]


def wait_until(condition):
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_by_pg_variables_and_by_an_option(alone, source, tmp_path):
    user = {"PGHOST": "db", "PGUSER": "shop", "PGPASSWORD": "correct-horse", "PGDATABASE": source}
    run = Run()
    assert "2 passed" in output(alone(USES, DATABASE_URL="", **user, **run.variables))
    (tmp_path / "url").write_text(f"postgresql://shop:correct-horse@db/{source}\n")
    assert "2 passed" in output(alone(USES, "--postgres-url", "file:url", DATABASE_URL="", **run.variables))
    wait_until(lambda: not run.left())  # another's may be at it


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        ("postgresql://shop:wrong@db/shop", "password authentication failed"),
        ("postgresql://shop:wrong@127.0.0.1:9/shop", "Connection refused"),
        ("postgresql://shop:correct-horse@db/absent", "PostgreSQL has no database absent"),
        ("mysql://db/shop", "is of mysql, not of PostgreSQL"),
        ("postgresql://%zz@db/shop", "the URL of PostgreSQL is none"),
        ("", "where is PostgreSQL?"),
    ],
)
def test_a_wrong_address_is_two_lines(alone, url, lines):
    said = output(alone(USES, DATABASE_URL=url))
    assert lines in said
    assert "2 errors" in said
    assert "Traceback" not in said
    assert "correct-horse" not in said


def test_a_missing_driver_is_two_lines(alone, tmp_path):
    for name in ("psycopg", "redis"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('no pq wrapper')")
    said = output(alone("def test_one(postgres_database): pass\ndef test_two(redis_database): pass"))
    assert "postgres_database needs psycopg, which is not here: no pq wrapper" in said
    assert "redis_database needs the package redis, which is not here" in said
    assert 'add fixtures = ["postgres"] to [tool.noxlib]' in said


def test_a_user_who_may_not_make_databases_is_told(alone, source):
    role = f"poor_{source}"
    ask(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    said = output(alone(USES, DATABASE_URL=f"postgresql://{role}:x@db/{source}"))
    ask(f"DROP ROLE {role}")
    assert f"the user {role} may not: permission denied to create database" in said


def test_who_is_connected_to_what_is_copied_is_named(alone, source):
    with psycopg.connect(SERVER, dbname=source, application_name="the shop's worker"):
        said = output(alone(USES, DATABASE_URL=f"postgresql://shop:correct-horse@db/{source}"))
    assert f"the database {source} cannot be copied while others are connected to it: the shop's worker at" in said


def test_what_a_killed_run_left_is_dropped_by_the_next(alone, source, tmp_path):
    url = f"postgresql://shop:correct-horse@db/{source}"
    run = Run()
    dead = alone(WAITS, DATABASE_URL=url, **run.variables)
    wait_until((tmp_path / "begun").exists)
    assert len(run.left()) == 2  # its own, and the sealed copy
    assert run.locks()
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    wait_until(lambda: not run.locks())
    assert "2 passed" in output(alone(USES, DATABASE_URL=url))
    wait_until(lambda: not run.left())  # the next one may have left it to another that was at it


def test_what_another_has_begun_to_drop_hinders_nobody(alone, source):
    run = Run()
    name = f"noxlib_{run.number}_template"
    ask(f"CREATE DATABASE {name}")
    ask("UPDATE pg_database SET datconnlimit = -2 WHERE datname = %s", name)  # as the server marks it, from 15.4 on
    assert "2 passed" in output(alone(USES, DATABASE_URL=f"postgresql://shop:correct-horse@db/{source}"))
    wait_until(lambda: not run.left())


def test_a_server_that_is_gone_in_the_middle_is_two_lines(alone, source, tmp_path, network):
    network.require()
    proxy = network.proxy("db", 5432)
    run = alone(WAITS, DATABASE_URL=f"postgresql://shop:correct-horse@{proxy.host}:{proxy.port}/{source}")
    wait_until((tmp_path / "begun").exists)
    proxy.use("down")
    (tmp_path / "done").touch()
    said = output(run)
    assert f"PostgreSQL at {proxy.host}:{proxy.port}: " in said
    assert "1 passed, 1 error in" in said  # its own could not be dropped: that is left to the next run
    assert "Traceback" not in said


def test_a_redis_with_fewer_databases_than_workers_says_so(alone):
    code = "def test_one(redis_database): pass\ndef test_two(redis_database): pass"
    said = output(alone(code, "-n", "2", REDIS_URL=os.environ["SMALL_REDIS_URL"]))
    assert "Redis has 1 databases beside the one of its URL, and 2 workers want one each" in said
    assert "start it with --databases 3, or the tests with -n 1" in said


def test_two_runs_at_once_have_databases_of_their_own_in_redis(alone, tmp_path):
    code = "def test_one(redis_database): pass"
    waits = WAITS.replace("postgres_database", "redis_database")
    url = {"REDIS_URL": os.environ["SMALL_REDIS_URL"]}
    first = alone(waits, **url)
    wait_until((tmp_path / "begun").exists)
    said = output(alone(code, **url))
    assert "all 1 databases of Redis belong to workers of this run or another" in said
    (tmp_path / "done").touch()
    output(first)
    assert "1 passed" in output(alone(code, **url))


def test_a_redis_that_is_not_there_is_two_lines(alone):
    said = output(alone("def test_one(redis_database): pass", REDIS_URL="redis://127.0.0.1:9/0"))
    assert "Redis at 127.0.0.1:9: " in said
    assert "look at its log, and at what REDIS_URL says" in said
