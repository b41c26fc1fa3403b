"""Asks a Kafka node whether it can work, in a few bytes of its own protocol and without a client library."""

import socket
import struct
from io import BytesIO

_METADATA_KEY = 3
_METADATA_VERSION = 2
_NO_TOPICS = 0
_LARGEST_ANSWER = 65_536


def cluster_in_service(host: str, port: int, timeout_seconds: float = 1.0) -> str | None:
    """The id of the cluster that answers there, None while nobody does or no broker has joined it yet."""
    request = struct.pack(">hhi", _METADATA_KEY, _METADATA_VERSION, 1) + _text("headrace")
    request += struct.pack(">i", _NO_TOPICS)
    try:
        with socket.create_connection((host, port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", _read(connection, 4))
            answer = BytesIO(_read(connection, size)) if 0 < size <= _LARGEST_ANSWER else BytesIO()
        return _cluster_of(answer)
    except (OSError, struct.error, UnicodeDecodeError):
        return None


def _cluster_of(answer: BytesIO) -> str | None:
    _correlation, brokers = struct.unpack(">ii", answer.read(8))
    for _ in range(brokers):
        answer.read(4)
        _parse_text(answer)
        answer.read(4)
        _parse_text(answer)
    return _parse_text(answer) if brokers > 0 else None


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode("ascii")


def _parse_text(answer: BytesIO) -> str | None:
    (length,) = struct.unpack(">h", answer.read(2))
    return None if length < 0 else answer.read(length).decode("utf-8")


def _read(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            raise ConnectionError("the broker closed the connection")
        received += chunk
    return received
