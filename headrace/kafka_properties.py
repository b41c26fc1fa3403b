"""The server.properties of one combined broker and controller that only this machine can reach."""

from pathlib import Path

from headrace.ports import LOOPBACK

_FIXED = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    # A record stamped with an event time of 2013 would be deleted by retention at the next check.
    "log.message.timestamp.type": "LogAppendTime",
    "log.segment.bytes": str(64 * 1024 * 1024),
    "log.retention.check.interval.ms": "60000",
    # A laptop that slept for a month goes on where it stopped.
    "offsets.retention.minutes": str(366 * 24 * 60),
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # The default of 128 MB does not fit into the bounded heap.
    "log.cleaner.dedupe.buffer.size": "20000000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    # After kill -9 the node waits until its own old registration has timed out.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}


def write_properties(file: Path, data: Path, broker_port: int, controller_port: int) -> None:
    """Write the whole file; what was in it before is gone."""
    listeners = f"PLAINTEXT://{LOOPBACK}:{broker_port},CONTROLLER://{LOOPBACK}:{controller_port}"
    properties = _FIXED | {
        "listeners": listeners,
        "advertised.listeners": listeners,
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
        "log.dirs": str(data.absolute()),
    }
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")


def port_in(file: Path) -> int | None:
    """The broker's port of the last start, None before the first."""
    listeners = _read(file).get("listeners")
    return int(listeners.split(",")[0].rpartition(":")[2]) if listeners else None


def cluster_in(meta: Path) -> str | None:
    """The cluster id that a formatted data directory carries in its meta.properties."""
    return _read(meta).get("cluster.id")


def _read(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    pairs = (line.partition("=") for line in file.read_text(encoding="utf-8").splitlines())
    return {name: value for name, _, value in pairs}
