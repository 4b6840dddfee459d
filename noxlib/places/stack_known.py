"""What is known of the images that are met most: where they listen, and how they are asked whether they are ready."""

from __future__ import annotations

from typing import Any, Optional

import msgspec

from noxlib.places import stack

Table = dict[str, Any]

#: How a service is asked that has no healthcheck of its own.
OFTEN = {"interval": "5s", "timeout": "5s", "retries": 10, "start_period": "60s", "start_interval": "500ms"}


class Known(msgspec.Struct, frozen=True):
    """One program: its port, the words of a healthcheck, or a request that it answers once it is ready."""

    port: int
    health: tuple[str, ...] = ()
    request: str = ""  #: for images without a shell
    more: tuple[int, ...] = ()  #: other ports at which it listens, too


#: By the image's name, registry and owner left out: ``postgres_exporter`` is no PostgreSQL.
KNOWN = {
    "postgres": Known(5432, ("CMD-SHELL", 'pg_isready -q -h 127.0.0.1 -U "${POSTGRES_USER:-postgres}"')),
    "redis": Known(6379, ("CMD", "redis-cli", "ping")),
    "valkey": Known(6379, ("CMD", "valkey-cli", "ping")),
    "mariadb": Known(3306, ("CMD", "healthcheck.sh", "--connect", "--innodb_initialized")),
    "rabbitmq": Known(5672, ("CMD", "rabbitmq-diagnostics", "-q", "ping"), more=(4369, 15672, 15692, 25672)),
    "mockserver": Known(1080, request="PUT /mockserver/status"),
    "wiremock": Known(8080, request="GET /__admin/mappings"),
    "minio": Known(9000, request="GET /minio/health/live"),
    "localstack": Known(4566, request="GET /_localstack/health", more=(443, *range(4510, 4560))),
}
ALSO = {"postgresql": "postgres", "postgis": "postgres", "pgvector": "postgres", "redis-stack-server": "redis"}


def known(service: Table) -> Optional[Known]:
    """What is known of a service, by its image's name."""
    image = str(service.get("image", "")).rpartition("/")[2].partition("@")[0].partition(":")[0]
    return KNOWN.get(ALSO.get(image, image))


def health(service: Table) -> Optional[Table]:
    """A healthcheck that fits a service; None for what is not known, or has no program that could ask.

    Nor for what listens elsewhere by its file (``redis-server --port 6380``): noxlib asks at the ports named there.
    """
    found = known(service)
    ports = stack.ports(service)
    if not found or not found.health or (ports and not {found.port, *found.more} & set(ports)):
        return None
    return {"test": list(found.health), **OFTEN}
