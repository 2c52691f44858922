"""What an engine computes with: named tables, and SQL over them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from user_conversion.rules.datasets import Columns, Dataset


class Tables(ABC):
    """Named tables and SQL over them. Instants are in UTC."""

    quotation_mark: ClassVar[str] = '"'

    @abstractmethod
    def read_parquet(
        self, table: str, columns: Columns, files: Sequence[Path], partition: str | None = None
    ) -> None:
        """Name the rows of Parquet files as a table.

        A `partition`, which is in the names of folders, is one more column, of text. An empty list
        of files gives an empty table. Raises `DatasetError` if a file does not have the columns.
        """

    @abstractmethod
    def create_table(self, table: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
        """Create a small table from rows in memory, or replace it."""

    @abstractmethod
    def materialize(self, table: str, sql: str) -> None:
        """Compute a query once and keep its result as a table."""

    @abstractmethod
    def create_view(self, table: str, sql: str) -> None:
        """Name a query, to be computed where it is used."""

    @abstractmethod
    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query with a small result. Timestamps have no zone and are in UTC."""

    @abstractmethod
    def write(self, sql: str, dataset: Dataset, folder: Path) -> None:
        """Write a query's rows as Parquet files of a dataset, by partition, below a new folder.

        The query has the dataset's columns and, last, its partition column.
        """

    @abstractmethod
    def struct(self, values: Mapping[str, str]) -> str:
        """An SQL expression for a struct of expressions by field name."""

    def quoted(self, column: str) -> str:
        """A column's name as an SQL identifier."""
        mark = self.quotation_mark
        return f"{mark}{column.replace(mark, mark * 2)}{mark}"
