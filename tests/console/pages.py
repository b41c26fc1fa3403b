"""Reads a page as a person and a browser would: its text, its numbers, what it would fetch or run."""

import re
import shlex
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser

from headrace.query import ask, tables_of
from services.console.words import JARGON

# What an attacker would write wherever a person may write.
SCRIPT = "<script>alert('x')</script><img src=x onerror=alert(1)>"
_DAYS = re.compile(r"\d{1,2} [A-Z][a-z]+ \d{4}")
_ENDLESS = {"meta", "link", "img", "br", "hr", "input", "line", "path"}


@dataclass
class Number:
    """A number of the page: where it leads, what it is, how it is written."""

    target: str
    value: str
    text: str = ""


@dataclass
class Read(HTMLParser):
    """What was found. `text` is everything outside the list of sources, scales of plots aside."""

    text: str = ""
    numbers: list[Number] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    loose: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append((tag, named))
        if name := named.get("id"):
            self.ids.add(name)
        if tag == "a" and named.get("class") == "n":
            self.numbers.append(Number((named.get("href") or "").removeprefix("#"), named.get("data-value") or ""))
        if tag not in _ENDLESS:
            self._open.append((tag, named))

    def handle_endtag(self, tag: str) -> None:
        while tag not in _ENDLESS and self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if "style" in tags or "svg" in tags:
            return
        if any(named.get("id") == "sources" for _, named in self._open):
            if tags[-1] == "code":
                place = next(named["id"] for tag, named in reversed(self._open) if tag == "li")
                self.sources[str(place)] = data
            return
        self.text += data
        if any(named.get("class") == "n" for _, named in self._open):
            self.numbers[-1].text += data
        elif "time" not in tags and "title" not in tags and "q" not in tags and "code" not in tags:
            self.loose += data


def read(page: str) -> Read:
    """The page, read to its end."""
    found = Read()
    found.feed(page)
    found.close()
    return found


def jargon(page: Read) -> list[str]:
    """Words that nobody should need, outside the queries."""
    return [word for word in JARGON if re.search(rf"\b{re.escape(word)}\b", page.text, re.IGNORECASE)]


def answers(page: Read, location: str, database: str) -> dict[str, str]:
    """Place -> what the query there answers when it is typed in."""
    found = {}
    for place, command in page.sources.items():
        if not command.startswith("headrace query "):
            continue
        as_of, sql = asked(command)
        rows = ask(sql, tables_of(location, None, datetime.fromisoformat(as_of), database))
        found[place] = str(rows.item()) if rows.shape == (1, 1) else f"{rows.height} rows"
    return found


def differing(page: Read, given: dict[str, str]) -> list[str]:
    """Numbers that are not what their query answers."""
    return [f"{one.text} ({one.value}) is {given[one.target]} at {one.target}" for one in page.numbers
            if one.target in given and given[one.target] != one.value]  # fmt: skip


def loose_numbers(page: Read) -> list[str]:
    """Numbers that lead to no query, days aside; what people wrote themselves is none of the page's."""
    loose = _DAYS.sub("", page.loose.replace(SCRIPT, "").replace("\n", " "))
    return re.findall(r".{0,30}\d[\d.,]*.{0,30}", loose)


def asked(command: str) -> tuple[str, str]:
    """(as of, SQL) of a `headrace query` command."""
    words = shlex.split(command)
    assert words[:3] == ["headrace", "query", "--as-of"], command
    return words[3], words[4]
