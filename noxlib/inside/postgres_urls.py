"""URLs of PostgreSQL: as SQLAlchemy writes them, as libpq reads them, and of another database of the same server.

They are not taken apart by the standard library, which refuses a bracket in a password and joins an empty host wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container


def known(driver: Any) -> frozenset[str]:
    """The parameters that psycopg's libpq knows."""
    return frozenset(option.keyword.decode() for option in driver.pq.Conninfo.get_defaults())


def of_libpq(url: str, understood: Container[str]) -> str:
    """A URL that libpq reads: without the driver, and without those parameters of another one that are not understood.

    >>> of_libpq("postgresql+asyncpg://db/app?ssl=require&application_name=shop", {"application_name"})
    'postgresql://db/app?application_name=shop'
    """
    scheme, _, rest = url.partition("://")
    head, _, query = rest.partition("?")
    kept = [one for one in query.split("&") if "+" not in scheme or one.partition("=")[0] in understood]
    return _joined(f"postgresql://{head}", kept)


def of_database(url: str, name: str) -> str:
    """The same URL of another database.

    >>> of_database("postgresql:///app?host=/run/postgresql", "other")
    'postgresql:///other?host=/run/postgresql'
    """
    head, _, query = url.partition("?")
    scheme, _, rest = head.partition("://")
    kept = [one for one in query.split("&") if not one.startswith("dbname=")]  # which would count
    return _joined(f"{scheme}://{rest.partition('/')[0]}/{name}", kept)


def _joined(head: str, parameters: list[str]) -> str:
    query = "&".join(parameters)
    return f"{head}?{query}" if query else head
