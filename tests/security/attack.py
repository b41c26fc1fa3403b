"""An attack over HTTP as data, and the payloads that several of them carry."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.registry.toy import Toy

CLIENT_ERROR = (400, 404, 405, 409, 413, 415, 422)
JSON = {"content-type": "application/json"}
YAML = {"content-type": "application/yaml"}
TAR = {"content-type": "application/x-tar"}


@dataclass
class Ground:
    """What is there before the attacks: a served package and another one in the store; and the traces seen last."""

    home: Path
    served: Toy
    other: Toy
    traces: Mapping[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """Put digests where a template names them."""
        return text.replace("{served}", self.served.digest).replace("{other}", self.other.digest)


@dataclass(frozen=True)
class Attack:
    """One request that has to be refused; path and body may depend on the ground."""

    service: str
    method: str
    path: str
    body: bytes | Callable[[Ground], tuple[str, bytes]] = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    status: tuple[int, ...] = CLIENT_ERROR

    def request(self, ground: Ground) -> tuple[str, bytes]:
        """Path and body; an upload brings the digest that stands in its path."""
        if callable(self.body):
            digest, body = self.body(ground)
            return self.path.format(digest=digest), body
        return ground.fill(self.path), ground.fill(self.body.decode("latin-1")).encode("latin-1")


class _Runs:
    """Unpickled, it writes a file."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (Path("/tmp/headrace-was-here"),)


PICKLE = pickle.dumps(_Runs())
