"""Only the jars of the committed list ever reach a class path."""

import shutil
from pathlib import Path
from threading import Event

import pytest

from headrace.embedded_kafka import EmbeddedKafka
from headrace.kafka_jars import (
    KAFKA_VERSION,
    DownloadFailedError,
    StartCancelledError,
    TamperedJarsError,
    ensure_jars,
    jar_folder,
    locked_jars,
    verify_jars,
)
from headrace.settings import CommandSettings


def _say_nothing(_step: str, _fraction: float | None) -> None:
    pass


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of its own with a copy of the real jars, to be spoilt."""
    jars = ensure_jars(CommandSettings().cache, _say_nothing, Event())
    shutil.copytree(jars[0].parent, jar_folder(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_kafka_jar_of_the_list_has_one_version() -> None:
    ours = [name for name in locked_jars() if name.startswith("kafka")]
    assert f"kafka-clients-{KAFKA_VERSION}.jar" in ours
    assert all(name.endswith(f"-{KAFKA_VERSION}.jar") for name in ours)


@pytest.mark.kafka
def test_the_untouched_jars_pass_in_the_order_of_the_list(cache: Path) -> None:
    assert [jar.name for jar in verify_jars(jar_folder(cache))] == list(locked_jars())


@pytest.mark.kafka
def test_a_jar_with_one_flipped_byte_is_named_and_nothing_starts(cache: Path, tmp_path: Path) -> None:
    jar = jar_folder(cache) / f"kafka-clients-{KAFKA_VERSION}.jar"
    content = bytearray(jar.read_bytes())
    content[len(content) // 2] ^= 1
    jar.write_bytes(content)
    node = EmbeddedKafka(tmp_path / "kafka", cache=cache)
    with pytest.raises(TamperedJarsError, match=rf"kafka-clients-{KAFKA_VERSION}\.jar was altered.*Delete that folder"):
        node.start()
    assert node.pid is None


@pytest.mark.kafka
def test_a_missing_and_an_extra_jar_are_both_named(cache: Path) -> None:
    folder = jar_folder(cache)
    (folder / f"kafka_2.13-{KAFKA_VERSION}.jar").rename(folder / "stranger.jar")
    with pytest.raises(TamperedJarsError) as raised:
        verify_jars(folder)
    assert f"kafka_2.13-{KAFKA_VERSION}.jar is missing; stranger.jar does not belong there" in str(raised.value)


@pytest.mark.timeout(120)
def test_an_impossible_download_says_what_to_do_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(DownloadFailedError) as raised:
        ensure_jars(tmp_path, _say_nothing, Event())
    message = str(raised.value)
    assert "The first start needs Maven Central once" in message
    assert str(jar_folder(tmp_path)) in message
    assert not jar_folder(tmp_path).exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_download_can_be_given_up(tmp_path: Path) -> None:
    stopping = Event()
    steps: list[tuple[str, float | None]] = []

    def give_up(step: str, fraction: float | None) -> None:
        steps.append((step, fraction))
        stopping.set()

    with pytest.raises(StartCancelledError):
        ensure_jars(tmp_path, give_up, stopping)
    assert steps == [(f"Downloading Apache Kafka {KAFKA_VERSION} (0 of {len(locked_jars())} jars)", 0.0)]
    assert not jar_folder(tmp_path).exists()
