"""Builds and runs the console: `python -m services.console.app`."""

from datetime import timedelta

from fastapi import FastAPI

from services.console import api
from services.console.handlers import add_handlers
from services.console.publishing import Publishing
from services.console.reading import Pages
from services.console.sending import Sender
from services.console.settings import ConsoleSettings
from shared.spine.app import Service, build_app, serve
from shared.spine.clock import Clock
from shared.spine.db import Database
from shared.spine.logs import setup
from shared.spine.settings import read_settings
from shared.spine.subscribe import ServiceRouter


def make_app(settings: ConsoleSettings) -> FastAPI:
    """Everything wired together; nothing runs before the app's lifespan begins."""
    db, clock = Database(settings.database), Clock(settings.clock)
    router = ServiceRouter("console", settings.instance, settings.kafka_session_seconds)
    add_handlers(router)
    sender = Sender(
        db, clock, settings.notify_urls, settings.quiet_hours, settings.console_retry_seconds, settings.console_attempts
    )
    overdue_after = timedelta(hours=settings.console_overdue_hours)
    clock.on_step(Publishing(db, settings.feedback_location, sender.targets, overdue_after).step)
    service = Service(
        name="console",
        settings=settings,
        clock=clock,
        db=db,
        router=router,
        http=[api.router],
        context={"targets": sender.targets},
        background=[sender.run],
    )
    app = build_app(service)
    app.state.pages = Pages(db, settings.feedback_location)
    app.state.sender = sender
    return app


def main() -> None:
    """Run until SIGTERM."""
    settings = read_settings(ConsoleSettings)
    setup("console", settings.log_level)
    serve(make_app(settings), settings.console_host, settings.console_port)


if __name__ == "__main__":
    main()
