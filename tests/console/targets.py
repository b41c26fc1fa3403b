"""Real targets on this machine: a mail server and a webhook, both of which remember what they took."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

TO = "ann@example.org"
SECRET = "s3cret-of-the-target"


@dataclass
class Targets:
    """What arrived: (title, body). The webhook refuses while `refusing` is above 0, counting down.

    While `hangs` it holds what comes and answers nothing; `held` requests are in its hands.
    """

    smtp_port: int = 0
    hook_port: int = 0
    mails: list[tuple[str, str]] = field(default_factory=list)
    posts: list[tuple[str, str]] = field(default_factory=list)
    refusing: int = 0
    hangs: bool = False
    held: int = 0
    both_held: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def mail_url(self) -> str:
        """For Apprise; the password is not asked for by this server."""
        return f"mailto://127.0.0.1:{self.smtp_port}?from=headrace@example.org&to={TO}&mode=insecure&format=text"

    @property
    def hook_url(self) -> str:
        """For Apprise, with a token in its path as webhooks have."""
        return f"json://127.0.0.1:{self.hook_port}/{SECRET}"

    async def handle_DATA(  # noqa: N802  aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """A mail has come; aiosmtpd calls it by this name."""
        assert envelope.rcpt_tos == [TO]
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        self.mails.append((str(mail["subject"]), body.get_content().strip()))
        return "250 OK"

    async def handle_post(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One HTTP request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        told: dict[str, Any] = json.loads(await reader.readexactly(length))
        if self.hangs:
            self.held += 1
            if self.held == 2:
                self.both_held.set()
            # Until it is let go, or the sender has had enough.
            done = (asyncio.ensure_future(self.let_go.wait()), asyncio.ensure_future(reader.read()))
            await asyncio.wait(done, return_when=asyncio.FIRST_COMPLETED)
            self.held -= 1
            writer.close()
            return
        refused, self.refusing = self.refusing > 0, max(self.refusing - 1, 0)
        if not refused:
            self.posts.append((told["title"], told["message"]))
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                     % (b"503 Busy" if refused else b"200 OK"))  # fmt: skip
        await writer.drain()
        writer.close()


@asynccontextmanager
async def open_targets() -> AsyncIterator[Targets]:
    """Both servers on ports of their own."""
    targets = Targets()
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(lambda: SMTP(targets, hostname="localhost"), "127.0.0.1", 0)
    hook = await asyncio.start_server(targets.handle_post, "127.0.0.1", 0)
    targets.smtp_port = smtp.sockets[0].getsockname()[1]
    targets.hook_port = hook.sockets[0].getsockname()[1]
    async with smtp, hook:
        yield targets
