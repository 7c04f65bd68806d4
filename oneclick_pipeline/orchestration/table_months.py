"""A table over several months, of which a month is read on demand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine import files
from oneclick_pipeline.engine.batches import Batches

if TYPE_CHECKING:
    import pandas as pd


class Months(Mapping[str, "pd.DataFrame"]):
    """A table over several months, as pandas; a month is read when it is asked for, and one without a file is not in it.

    Args:
        table: Name of the table.
        paths: Its Parquet file by month.
        columns: Columns to read; all by default.
        chosen: Which rows of a batch to keep; all by default.
    """

    def __init__(
        self,
        table: str,
        paths: Mapping[str, Path],
        columns: Sequence[str] | None = None,
        chosen: "Callable[[pd.DataFrame], pd.Series] | None" = None,
    ) -> None:
        self._table, self._paths, self._columns, self._chosen = table, paths, columns, chosen

    def only(self, *columns: str) -> "Months":
        """The same months with some of the columns, the key among them; nothing else is read."""
        return Months(self._table, self._paths, columns, self._chosen)

    def where(self, chosen: "Callable[[pd.DataFrame], pd.Series]") -> "Months":
        """The same months with the rows that are chosen of each batch; the others are in memory a batch at a time."""
        return Months(self._table, self._paths, self._columns, chosen)

    def of(self, customers: "pd.Series") -> "Months":
        """The same months with these customers only."""
        import pandas as pd

        wanted = pd.Index(customers.unique())
        return self.where(lambda rows: rows["customer_id"].isin(wanted))

    def sample(self, customers: int, seed: int) -> "Months":
        """About so many customers of the largest month at most, drawn by their number: the same ones in every month."""
        import pandas as pd

        share = customers / max((files.rows(path) for path in self._paths.values()), default=customers)
        if share >= 1:
            return self
        limit = int(share * 2**64)
        return self.where(lambda rows: pd.util.hash_pandas_object(rows["customer_id"] ^ seed, index=False) < limit)

    def batches(self, month: str) -> Batches:
        """A month batch by batch."""
        return Batches(self._table, self._paths[month], self._columns)

    def __getitem__(self, month: str) -> "pd.DataFrame":
        """Read a month."""
        import pandas as pd

        if self._chosen is not None:
            return self.batches(month).where(self._chosen)
        frame = pd.read_parquet(self._paths[month], columns=None if self._columns is None else list(self._columns))
        # The order of the rows in the file is chance; sums of floats, and samples, must not follow it.
        return frame.sort_values(list(TABLES[self._table].key), ignore_index=True)

    def __contains__(self, month: object) -> bool:
        """Whether the month is there; the inherited test would read it."""
        return month in self._paths

    def __iter__(self) -> Iterator[str]:
        """The months, oldest first."""
        return iter(sorted(self._paths))

    def __len__(self) -> int:
        """How many months there are."""
        return len(self._paths)
