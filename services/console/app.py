"""Builds and runs the console: `python -m services.console.app`."""

from fastapi import FastAPI

from services.console import api
from services.console.handlers import add_handlers
from services.console.reading import Pages
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
    service = Service(name="console", settings=settings, clock=clock, db=db, router=router, http=[api.router])
    app = build_app(service)
    app.state.pages = Pages(db, settings.feedback_location)
    return app


def main() -> None:
    """Run until SIGTERM."""
    settings = read_settings(ConsoleSettings)
    setup("console", settings.log_level)
    serve(make_app(settings), settings.console_host, settings.console_port)


if __name__ == "__main__":
    main()
