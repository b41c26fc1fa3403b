"""A Delta table that stays open: looking for what is new takes a fraction of opening it."""

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

# Each commit that is taken in keeps some 50 KB while one of its files is there, and makes the next look slower; what is
# read when the table is opened takes one.
_COMMITS = 50


class OpenTable:
    """One table for one thread at a time."""

    def __init__(self, uri: str, storage_options: dict[str, str] | None = None) -> None:
        self._uri, self._options = uri, storage_options
        self._table: DeltaTable | None = None
        self._opened_at = 0

    def newest(self) -> DeltaTable | None:
        """The table at its newest version; None while there is none."""
        if self._table is None or not self._took_in(self._table):
            self._table = None
            try:
                self._table = DeltaTable(self._uri, storage_options=self._options)
            except TableNotFoundError:
                return None
            self._opened_at = self._table.version()
        return self._table

    def close(self) -> None:
        """Open it anew when it is asked for again."""
        self._table = None

    def _took_in(self, table: DeltaTable) -> bool:
        """Take in what was committed since; False where that cannot be told, and when it was many times."""
        if table.version() - self._opened_at >= _COMMITS:
            return False
        try:
            table.update_incremental()
        except DeltaError:
            return False
        return True
