"""The one error of this room: a package was refused, by which check and why."""


class PackageRefused(Exception):  # noqa: N818 - a refusal is an answer about a package, not a fault of ours
    """A package failed `check` (a short fixed word such as "digest" or "golden"); `detail` is for people."""

    def __init__(self, check: str, detail: str) -> None:
        super().__init__(f"{check}: {detail}")
        self.check = check
        self.detail = detail
