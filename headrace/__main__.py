"""Starts the command: `headrace`, or `python -m headrace`."""

import signal


def main() -> None:
    """Run it; while Python still imports, Ctrl-C ends the process without a word, as nothing has begun."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from headrace.cli import app

    signal.signal(signal.SIGINT, signal.default_int_handler)
    app()


if __name__ == "__main__":
    main()
