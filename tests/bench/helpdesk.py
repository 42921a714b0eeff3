"""django-helpdesk as its own process: its `escalate_tickets` over its own tables.

    python -m tests.bench.helpdesk DATABASE

DATABASE is sqlite:PATH, or postgresql:SOCKET_FOLDER/NAME. "ready" is printed when the tables are
there; then one line of JSON for each number on standard input: so many tickets were made due (each
with a submitter, an owner and one more reader, as three people hear of a window that is missed)
and escalated, in how many seconds. Mails go to Django's dummy backend: a post office of its own
would only make it slower.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from typing import Any


def main(database: str) -> None:
    set_up(database)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("loaddata", "emailtemplate.json", verbosity=0)
    queue, owner = _made()
    print("ready", flush=True)
    for line in sys.stdin:
        count = int(line)
        _fill(queue, owner, count)
        began = time.perf_counter()
        call_command("escalate_tickets", verbosity=0)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "escalated": _escalated(count)}), flush=True)


def set_up(database: str, *apps: str, **more: Any) -> None:
    """Configure Django over `database`, with further apps and settings."""
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="bench",  # its own database, thrown away
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.sites",
            "django.contrib.humanize",
            "rest_framework",
            "helpdesk",
            *apps,
        ],
        DATABASES={"default": _settings_of(database)},
        SITE_ID=1,
        USE_TZ=True,
        TIME_ZONE="Asia/Makassar",
        EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        ROOT_URLCONF="tests.bench.helpdesk_urls",
        HELPDESK_TEAMS_MODE_ENABLED=False,
        **{
            "TEMPLATES": [
                {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
            ],
            **more,
        },
    )
    os.environ["DJANGO_SETTINGS_MODULE"] = ""
    django.setup()


def _settings_of(database: str) -> dict[str, Any]:
    kind, _, place = database.partition(":")
    if kind == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": place}
    folder, _, name = place.rpartition("/")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "HOST": folder,
        "USER": "postgres",
    }


def _made() -> tuple[Any, Any]:
    from django.contrib.auth import get_user_model
    from helpdesk.models import Queue

    owner = get_user_model().objects.create_user("owner", "owner@example.test", "owner-of-all")
    queue = Queue.objects.create(
        title="PUPR", slug="pupr", escalate_days=1, email_address="pupr@example.test"
    )
    return queue, owner


def _fill(queue: Any, owner: Any, count: int) -> None:
    """Tickets that are due, and none besides."""
    from django.utils import timezone
    from helpdesk.models import Ticket, TicketCC

    Ticket.objects.filter(queue=queue).update(status=Ticket.CLOSED_STATUS)
    long_ago = timezone.now() - timedelta(days=3)
    tickets = [
        Ticket(
            queue=queue,
            title=f"Jalan rusak {number}",
            description="Jalan berlubang di depan pasar, tadi malam ada yang jatuh.",
            submitter_email="warga@example.test",
            assigned_to=owner,
            priority=3,
            status=Ticket.OPEN_STATUS,
            created=long_ago,
            modified=long_ago,
        )
        for number in range(count)
    ]
    made = Ticket.objects.bulk_create(tickets, batch_size=500)
    Ticket.objects.filter(pk__in=[t.pk for t in made]).update(created=long_ago)
    TicketCC.objects.bulk_create(
        [TicketCC(ticket=t, email="pimpinan@example.test") for t in made], batch_size=500
    )


def _escalated(count: int) -> int:
    from helpdesk.models import Ticket

    done = Ticket.objects.filter(status=Ticket.OPEN_STATUS, priority=2).count()
    if done != count:
        raise RuntimeError(f"{done} of {count} tickets were escalated")
    return int(done)


if __name__ == "__main__":
    main(sys.argv[1])
