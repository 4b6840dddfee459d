import os
import sys
from pathlib import Path

import psycopg

try:
    with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")) as connection:
        for file in sorted(Path("migrations").glob("*.sql")):
            print(file.name, flush=True)
            connection.execute(file.read_text())
except psycopg.Error as error:
    sys.exit(str(error))
