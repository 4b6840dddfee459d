import os

import psycopg
import pytest
import redis

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("number", range(40))
def test_no_test_sees_what_another_wrote(postgres_database, redis_database, number):
    with psycopg.connect(**postgres_database.parameters) as connection:
        assert connection.execute("SELECT name FROM fruit ORDER BY id").fetchall() == [("apple",), ("pear",)]
        connection.execute("INSERT INTO fruit (name) VALUES ('plum')")
    client = redis.Redis(**redis_database.parameters)
    assert client.get("count") is None
    assert client.incr("count") == 1
    client.close()


def test_a_clone_has_owner_encoding_and_settings(postgres_database):
    ask = "SELECT pg_get_userbyid(datdba), encoding, datcollate, datctype FROM pg_database WHERE datname = %s"
    with psycopg.connect(**postgres_database.parameters) as connection:
        own = connection.execute(ask, ("shop",)).fetchone()
        assert connection.execute(ask, (postgres_database.name,)).fetchone() == own
        assert own[0] == "keeper"
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public, store',)
        assert connection.execute("SHOW shop.greeting").fetchone() == ("it's green, and $1",)
        found = connection.execute(
            "SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase "
            "WHERE datname = %s AND setrole = 'keeper'::regrole",
            (postgres_database.name,),
        ).fetchone()
        assert found == (["statement_timeout=7s"],)


def test_the_url_is_of_the_form_of_the_one_that_was_given(postgres_database, redis_database):
    begin, end = os.environ["DATABASE_URL"].split("/shop?")
    assert postgres_database.url == f"{begin}/{postgres_database.name}?{end}"
    assert redis_database.url == f"redis://cache:6379/{redis_database.name}"
    assert redis_database.name != "0"
    assert "correct-horse" not in repr(postgres_database)
