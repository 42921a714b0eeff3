"""django-helpdesk's pages over rows of its own: what a person waits for, without a server.

    python -m tests.bench.helpdesk_pages DATABASE COUNT

DATABASE as for `tests.bench.helpdesk`. "ready" is printed when COUNT tickets are there (texts of
standard input's first line, JSON, in turn; the newest 400 are open). Then one line of JSON for each
number on standard input: the median milliseconds of each page, asked so many times. A list is its
page and the rows that the page asks for.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from tests.bench import helpdesk

OPEN = 400
_PROCESSORS = ("debug", "request")


def main(database: str, count: int) -> None:
    contexts = [f"django.template.context_processors.{each}" for each in _PROCESSORS]
    contexts += [
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]
    helpdesk.set_up(
        database,
        "django.contrib.messages",
        "django.contrib.staticfiles",
        STATIC_URL="/static/",
        ALLOWED_HOSTS=["testserver"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": contexts},
            }
        ],
    )
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("loaddata", "emailtemplate.json", verbosity=0)
    client, queue = _client()
    _fill(queue, count, json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    pages = _pages(client, queue, count)
    for line in sys.stdin:
        print(json.dumps({n: _median(ask, int(line)) for n, ask in pages.items()}), flush=True)


def _client() -> tuple[Any, Any]:
    from django.contrib.auth import get_user_model
    from django.test import Client
    from helpdesk.models import Queue

    user = get_user_model().objects.create_superuser("owner", "owner@example.test", "owner-of-all")
    queue = Queue.objects.create(title="PUPR", slug="pupr")
    client = Client()
    client.force_login(user)
    return client, queue


def _fill(queue: Any, count: int, texts: list[str]) -> None:
    from django.db import connection
    from django.utils import timezone
    from helpdesk.models import Ticket

    now = timezone.now()
    first = [
        Ticket(
            queue=queue,
            title=text[:60],
            description=text,
            submitter_email="warga@example.test",
            status=Ticket.CLOSED_STATUS,
            created=now,
            modified=now,
        )
        for text in texts
    ]
    Ticket.objects.bulk_create(first, batch_size=500)
    table, columns = Ticket._meta.db_table, [f.column for f in Ticket._meta.concrete_fields]
    quoted = ", ".join(f'"{column}"' for column in columns)
    chosen = ", ".join("o.id + n.o" if column == "id" else f'o."{column}"' for column in columns)
    step = len(texts)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({quoted}) WITH RECURSIVE n(o) AS (SELECT {step} UNION ALL "
            f"SELECT o + {step} FROM n WHERE o < {count - step}) "
            f"SELECT {chosen} FROM {table} o CROSS JOIN n"
        )
        cursor.execute(f"UPDATE {table} SET status = 1 WHERE id > {count - OPEN}")
        if connection.vendor == "postgresql":
            sequence = f"pg_get_serial_sequence('{table}', 'id')"
            cursor.execute(f"SELECT setval({sequence}, (SELECT max(id) FROM {table}))")
        cursor.execute("ANALYZE")


def _pages(client: Any, queue: Any, count: int) -> dict[str, Callable[[], None]]:
    from helpdesk.query import query_to_base64

    def seen(path: str) -> None:
        answer = client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")

    def listed(page: str, **asked: Any) -> Callable[[], None]:
        base = {
            "filtering_null": {},
            "sorting": "created",
            "sortreverse": True,
            "search_string": "",
        }
        rows = query_to_base64({"filtering": {}, **base, **asked})

        def both() -> None:
            seen(page)
            seen(f"/datatables_ticket_list/{rows}")

        return both

    def create() -> None:
        answer = client.post(
            "/api/tickets/",
            {
                "queue": queue.id,
                "title": "Jalan rusak",
                "priority": 3,
                "description": "Jalan rusak di depan pura",
            },
        )
        if answer.status_code != 201:
            raise RuntimeError(answer.content[:200])

    filtered = {"status__in": [1], "queue__id__in": [queue.id]}
    return {
        "list": listed("/tickets/", filtering={"status__in": [1, 2]}),
        "filter": listed(f"/tickets/?queue={queue.id}&status=1", filtering=filtered),
        "search common": listed("/tickets/?q=jalan", search_string="jalan"),
        "search rare": listed("/tickets/?q=zamzam", search_string="zamzam"),
        "detail": lambda: seen(f"/tickets/{count - 7}/"),
        "dashboard": lambda: seen("/dashboard/"),
        "create": create,
    }


def _median(ask: Callable[[], None], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1e3)
    return median(taken)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
