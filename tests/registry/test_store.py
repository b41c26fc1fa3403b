"""The tables refuse what must never be, and the ledger shows what was altered."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.ledger import Entry
from services.registry.settings import RegistrySettings
from services.registry.store import ActivationStore, LedgerStore, PackageRows, ReleaseStore
from services.registry.tables import LedgerRow, PackageRow, ReleaseRow
from shared.events import ActivationReported
from tests.registry.conftest import Registry
from tests.registry.toy import NOW


def release_row(package: str, contract: str, **changed: Any) -> dict[str, Any]:
    row = {
        "use_case": "trains",
        "sequence": 2,
        "package_digest": package,
        "behaviour_digest": "b" * 64,
        "contract_digest": contract,
        "policy": {},
        "cause": "person",
        "reason": "",
        "released_by": "somebody",
        "released_at": NOW,
        "rollback_target": None,
        "forced": False,
        "event_id": "event",
    }
    return row | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"sequence": 1},
        {"sequence": 0},
        {"cause": "first"},
        {"cause": "whim"},
        {"cause": "rollback", "forced": True},
        {"package_digest": "e" * 64},
        {"contract_digest": "e" * 64},
        {"use_case": "planes"},
        {"rollback_target": "e" * 64},
        {"rollback_target": "itself"},
        {"event_id": "taken"},
    ],
)
async def test_a_bad_release_cannot_be_written(registry: Registry, changed: dict[str, Any]) -> None:
    [toy] = await registry.released(0)
    async with registry.parts.db.read() as session:
        first = await ReleaseStore(session).get_current("trains")
    assert first
    values = {"itself": toy.digest, "taken": first.event_id}
    row = release_row(toy.digest, first.contract_digest, **{k: values.get(v, v) for k, v in changed.items()})
    with pytest.raises(IntegrityError):
        async with registry.parts.db.transaction() as session:
            await session.execute(insert(ReleaseRow).values(**row))
    async with registry.parts.db.transaction() as session:
        await session.execute(insert(ReleaseRow).values(**release_row(toy.digest, first.contract_digest)))


async def test_an_unverified_package_cannot_be_written(registry: Registry) -> None:
    [toy] = await registry.released(0)
    for changed in ({"verified": False}, {"status": "good enough"}, {"behaviour_digest": "short"}):
        with pytest.raises(IntegrityError):
            async with registry.parts.db.transaction() as session:
                await session.execute(update(PackageRow).where(PackageRow.digest == toy.digest).values(**changed))


@pytest.mark.parametrize("table", ["registry_ledger", "registry_releases", "registry_contracts"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET use_case = 'other'", "DELETE FROM {}"])
async def test_history_is_append_only(registry: Registry, table: str, verb: str) -> None:
    await registry.released(0)
    with pytest.raises(DatabaseError, match="append-only"):
        async with registry.parts.db.transaction() as session:
            await session.execute(text(verb.format(table)))


async def test_the_ledger_cannot_fork(registry: Registry) -> None:
    await registry.released(0)
    async with registry.parts.db.read() as session:
        first = (await LedgerStore(session).list_links())[0]
    with pytest.raises(IntegrityError):
        async with registry.parts.db.transaction() as session:
            await session.execute(
                insert(LedgerRow).values(
                    position=99,
                    kind="k",
                    use_case="u",
                    at=NOW,
                    text="",
                    event_id="",
                    previous=first.previous,
                    hash="f" * 64,
                )
            )


async def drop_trigger(session: AsyncSession, name: str) -> None:
    """PostgreSQL wants to know of which table."""
    of_table = " ON registry_ledger" if session.get_bind().dialect.name == "postgresql" else ""
    await session.execute(text(f"DROP TRIGGER {name}{of_table}"))


async def test_an_altered_record_is_found_behind_the_triggers(registry: Registry) -> None:
    await registry.released(0, 1)
    check = (await registry.http.get("/v1/ledger/check")).json()
    assert check == {"whole": True, "position": None, "reason": None}
    async with registry.parts.db.transaction() as session:
        await drop_trigger(session, "registry_ledger_never_update")
        await session.execute(text("UPDATE registry_ledger SET text = 'nothing happened' WHERE position = 2"))
    check = (await registry.http.get("/v1/ledger/check")).json()
    assert check == {"whole": False, "position": 2, "reason": "record 2 is not what was written"}


async def test_a_cut_off_tail_is_found(registry: Registry) -> None:
    await registry.released(0)
    async with registry.parts.db.transaction() as session:
        await drop_trigger(session, "registry_ledger_never_delete")
        await session.execute(text("DELETE FROM registry_ledger WHERE position = 2"))
    check = (await registry.http.get("/v1/ledger/check")).json()
    assert (check["whole"], check["position"]) == (False, 1)


async def test_times_come_back_in_utc_and_lines_in_order(registry: Registry) -> None:
    async with registry.parts.db.transaction() as session:
        for number in range(3):
            await LedgerStore(session).append(Entry("k", "trains", NOW + timedelta(hours=number), "", f"id-{number}"))
    async with registry.parts.db.read() as session:
        links = await LedgerStore(session).list_links("trains", after=1)
    assert [(link.position, link.entry.at) for link in links] == [
        (2, NOW + timedelta(hours=1)),
        (3, NOW + timedelta(hours=2)),
    ]


async def test_a_known_package_keeps_what_it_is(registry: Registry) -> None:
    [toy] = await registry.released(0)
    async with registry.parts.db.transaction() as session:
        await PackageRows(session).add(toy.digest, toy.manifest, NOW + timedelta(days=9), "uploaded")
        row = await PackageRows(session).get(toy.digest)
    assert row
    assert (row.status, row.known_since) == ("available", NOW)


def activation(sequence: int, **changed: Any) -> ActivationReported:
    said: dict[str, Any] = {
        "use_case": "trains",
        "package_digest": "a" * 64,
        "replica": 0,
        "worker": "w1",
        "status": "active",
    }
    return ActivationReported.begin(source="serving", time=NOW, **(said | {"sequence": sequence} | changed))


async def test_a_worker_has_one_last_word_and_an_older_one_changes_nothing(registry: Registry) -> None:
    await registry.hear(activation(2, worker="w2"))
    await registry.hear(activation(3, status="refused", check="golden"))
    await registry.hear(activation(2))
    async with registry.parts.db.read() as session:
        rows = await ActivationStore(session).list_all()
    assert [(row.worker, row.sequence, row.status) for row in rows] == [("w1", 3, "refused"), ("w2", 2, "active")]


async def test_workers_of_long_gone_releases_are_forgotten(registry: Registry) -> None:
    await registry.hear(activation(1, worker="gone"))
    await registry.hear(activation(4))
    async with registry.parts.db.read() as session:
        assert [row.worker for row in await ActivationStore(session).list_all()] == ["w1"]


def test_the_database_is_a_file_below_the_home(tmp_path: Path) -> None:
    assert RegistrySettings(home=tmp_path).database == f"sqlite+aiosqlite:///{tmp_path}/registry/registry.db"
