"""The postman: ids only, emergencies first, each letter once, and never in anybody's way."""

from __future__ import annotations

import json
import socket
import socketserver
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from callcenter import jobs
from callcenter.gateways import postman, valkey
from callcenter.gateways.postman import ASK, MEDIA, ORDINARY, QUESTIONS, SEND, URGENT, Postman
from callcenter.services.notices import LEASE


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """The queue that the product brings along."""
    port = _free_port()
    server = subprocess.Popen(valkey.command(port, tmp_path / "queue"), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not valkey.answers(port):
        assert time.monotonic() < deadline
    with Redis.from_url(f"redis://127.0.0.1:{port}/0") as connection:
        yield connection
    server.terminate()
    server.wait(10)


def _url(redis: Redis) -> str:
    port = redis.connection_pool.connection_kwargs["port"]
    return f"redis://127.0.0.1:{port}/0"


def _waiting(redis: Redis, name: str) -> list[tuple[str, tuple[object, ...]]]:
    queue = Queue(name, connection=redis, serializer=JSONSerializer)
    return [(job.func_name, tuple(job.args)) for job in queue.jobs]


def _jobs(redis: Redis) -> list[bytes]:
    return [bytes(key) for key in redis.scan_iter("rq:job:*")]


def test_letters_are_ids_and_emergencies_have_their_own_queue(redis: Redis) -> None:
    post = Postman(_url(redis))
    post.post([(1, False), (2, True), (3, False)])
    post.ask([7])
    assert _waiting(redis, URGENT) == [(SEND, (2,))]
    assert _waiting(redis, ORDINARY) == [(SEND, (1,)), (SEND, (3,))]
    assert _waiting(redis, QUESTIONS) == [(ASK, (7,))]
    assert postman.QUEUES == (URGENT, ORDINARY, QUESTIONS, MEDIA)
    carried = [json.loads(zlib.decompress(redis.hget(key, "data") or b"")) for key in _jobs(redis)]
    assert sorted(data[2] for data in carried) == [[1], [2], [3], [7]]
    assert [data[3] for data in carried] == [{}] * 4


def test_the_names_of_the_jobs_are_functions_that_exist() -> None:
    for path in (SEND, ASK):
        module, _, name = path.rpartition(".")
        assert module == jobs.__name__
        assert callable(getattr(jobs, name))


def test_a_letter_that_waits_is_not_posted_again(redis: Redis) -> None:
    post = Postman(_url(redis))
    for _ in range(3):
        post.post([(1, False)])
    assert len(_waiting(redis, ORDINARY)) <= 2  # two, when a new quarter of a minute began


def test_a_job_ends_before_its_notice_may_be_taken_by_another(redis: Redis) -> None:
    Postman(_url(redis)).post([(1, False)])
    (job,) = Queue(ORDINARY, connection=redis, serializer=JSONSerializer).jobs
    assert job.timeout is not None
    assert timedelta(seconds=float(job.timeout)) < LEASE


def test_nothing_to_post_asks_nobody() -> None:
    post = Postman("redis://127.0.0.1:1/0")
    post.post([])
    post.ask([])


def test_a_queue_that_is_away_is_noted_once_and_held_against_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    post = Postman(f"redis://127.0.0.1:{_free_port()}/0")
    start = time.perf_counter()
    for _ in range(5):
        post.post([(1, True), (2, False)])
    assert time.perf_counter() - start < 2
    assert [r.levelname for r in caplog.records if r.name == "aduan24.postman"] == ["WARNING"]


def test_a_queue_that_hangs_holds_nobody_up_for_long() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        post = Postman(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        start = time.perf_counter()
        post.post([(1, True)])
        took = time.perf_counter() - start
        assert took < 5


def test_what_answers_nonsense_is_held_against_nobody() -> None:
    with socket.socket() as strange:
        strange.bind(("127.0.0.1", 0))
        strange.listen()

        def answer() -> None:
            for _ in range(4):
                try:
                    connection, _ = strange.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        Postman(f"redis://127.0.0.1:{strange.getsockname()[1]}/0").post([(1, True)])


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while heard := self.request.recv(4096):
            self.request.sendall(heard)


def test_what_is_no_redis_holds_nobody_up() -> None:
    """As a port of loopback that nobody holds: now and then it is connected to itself."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as echo:
        threading.Thread(target=echo.serve_forever, args=(0.02,)).start()
        post = Postman(f"redis://127.0.0.1:{echo.server_address[1]}/0")
        post.post([(1, False)])
        assert post.counted() is None
        post._redis.close()
        echo.shutdown()
