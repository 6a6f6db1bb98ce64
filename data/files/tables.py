"""Tables with a column of texts, CSV, TSV and Parquet: read as a stream, and written again with other texts in that column."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from data.files.limits import MOST_BYTES
from data.files.stream import Document, Reject, open_source

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".csv", ".tsv", ".parquet")
_BATCH_ROWS = 1000


class TableWriter(Protocol):
    """Takes the documents of a table in their order."""

    def write(self, document: Document, text: str) -> None:
        """Write the row of a document with this text in the column; an empty cell stays as it is."""


class TextTable(Protocol):
    """A table on disk whose column was checked."""

    def documents(self, name: str) -> Iterator[Document | Reject]:
        """Yield each cell of the column, or what is wrong with its row; ids are `<name>:<row>`, the first row is 1."""

    @contextmanager
    def writer(self, out: IO[str]) -> Iterator[TableWriter]:
        """Yield what writes a table of the same kind, columns and order to a text stream or the bytes under it."""


def open_table(source: str, column: str) -> TextTable:
    """Return a table, by the end of its name; `.gz` may follow `.csv` and `.tsv`.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is no table, or has no such column of texts, or several.
    """
    name = source.lower().removesuffix(".gz")
    if name.endswith((".csv", ".tsv")):
        return CsvTable.opened(source, column, "\t" if name.endswith(".tsv") else "")
    if source.lower().endswith(".parquet"):
        return ParquetTable.opened(Path(source), column)
    raise ValueError(
        f"`--column` is for tables, but {source} does not end in {', '.join(SUFFIXES)}; name a table, or leave `--column` out"
    )


@dataclass(frozen=True, slots=True)
class CsvTable:
    """Cells between separators; the first row names the columns."""

    source: str
    header: tuple[str, ...]
    place: int
    separator: str

    @classmethod
    def opened(cls, source: str, column: str, separator: str) -> CsvTable:
        """Read the names of the columns; some spreadsheets separate them by semicolons."""
        with _lines(source) as lines:
            first = lines.readline(MOST_BYTES)
        separator = separator or (";" if first.count(";") > first.count(",") else ",")
        with _lines(source) as lines:
            header = tuple(next(_rows(lines, separator, source), (1, []))[1])
        _check_column(source, column, header)
        return cls(source, header, header.index(column), separator)

    def documents(self, name: str) -> Iterator[Document | Reject]:
        """Yield the cells of the column; see `TextTable`."""
        column = self.header[self.place]
        with _lines(self.source) as lines:
            rows = _rows(lines, self.separator, self.source)
            next(rows, None)
            for number, (line, row) in enumerate(rows, 1):
                if what := self._problem(row):
                    yield Reject(line, self._line(row).encode("utf-8", "surrogateescape"), what)
                else:
                    yield Document(line, f"{name}:{number}", row[self.place], column, tuple(row))

    @contextmanager
    def writer(self, out: IO[str]) -> Iterator[TableWriter]:
        """Yield what writes the rows; see `TextTable`."""
        out.write(self._line(self.header))
        yield _CsvWriter(self, out)

    def _problem(self, row: list[str]) -> str:
        if len(row) != len(self.header):
            return f"has {len(row)} cells, but the header {len(self.header)}; quote cells that hold separators or line ends"
        try:
            "".join(row).encode()
        except UnicodeEncodeError:
            return "is not UTF-8; save the file as UTF-8"
        return ""

    def _line(self, row: tuple[str, ...] | list[str]) -> str:
        line = io.StringIO()
        csv.writer(line, delimiter=self.separator, lineterminator="\n").writerow(row)
        return line.getvalue()


@dataclass(frozen=True, slots=True)
class _CsvWriter:
    table: CsvTable
    out: IO[str]

    def write(self, document: Document, text: str) -> None:
        place = self.table.place
        self.out.write(self.table._line((*document.cells[:place], text, *document.cells[place + 1 :])))


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file; columns other than the texts are never unpacked."""

    path: Path
    column: str

    @classmethod
    def opened(cls, path: Path, column: str) -> ParquetTable:
        """Check that the column holds texts."""
        import pyarrow
        import pyarrow.parquet

        try:
            schema = pyarrow.parquet.ParquetFile(path).schema_arrow
        except pyarrow.ArrowInvalid:
            raise ValueError(f"{path} is no Parquet file, or damaged; write it again") from None
        _check_column(str(path), column, tuple(schema.names))
        kind = schema.field(column).type
        if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
            raise ValueError(f"column `{column}` of {path} holds {kind}, but must hold texts; name another")
        return cls(path, column)

    def documents(self, name: str) -> Iterator[Document | Reject]:
        """Yield the cells of the column; see `TextTable`."""
        import pyarrow.parquet

        number = 0
        for batch in pyarrow.parquet.ParquetFile(self.path).iter_batches(_BATCH_ROWS, columns=[self.column]):
            for text in batch.column(0).to_pylist():
                number += 1
                yield Document(number, f"{name}:{number}", text or "", self.column)

    @contextmanager
    def writer(self, out: IO[str]) -> Iterator[TableWriter]:
        """Yield what writes the rows; see `TextTable`."""
        import pyarrow.parquet

        source = pyarrow.parquet.ParquetFile(self.path)
        binary = getattr(out, "buffer")  # noqa: B009  # every text stream of ours has one
        with pyarrow.parquet.ParquetWriter(binary, source.schema_arrow) as file:
            yield _ParquetWriter(self.column, source.iter_batches(_BATCH_ROWS), file)


class _ParquetWriter:
    """Reads the file once more beside the answers, and writes each batch when all of its texts are there."""

    def __init__(
        self, column: str, batches: Iterator[pyarrow.RecordBatch], file: pyarrow.parquet.ParquetWriter
    ) -> None:
        self._column, self._batches, self._file = column, batches, file
        self._batch: pyarrow.RecordBatch | None = None
        self._texts: list[str] = []

    def write(self, document: Document, text: str) -> None:
        """Keep the text, and write the batch that it completes."""
        import pyarrow

        while self._batch is None or not self._batch.num_rows:
            self._batch = next(self._batches)
        self._texts.append(text)
        if len(self._texts) < self._batch.num_rows:
            return
        place = self._batch.schema.get_field_index(self._column)
        before = self._batch.column(place)
        texts = [
            None if old is None else new for old, new in zip(before.to_pylist(), self._texts, strict=True)
        ]
        field, new = self._batch.schema.field(place), pyarrow.array(texts, before.type)
        self._file.write_batch(self._batch.set_column(place, field, new))
        self._batch, self._texts = None, []


@contextmanager
def _lines(source: str) -> Iterator[io.TextIOWrapper]:
    """Open a file as text whose bytes that are not UTF-8 stay recognisable."""
    with open_source(source) as handle:
        try:
            yield io.TextIOWrapper(handle, encoding="utf-8-sig", errors="surrogateescape", newline="")
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise ValueError(f"{source} is a damaged archive; fetch it again") from None


def _rows(lines: io.TextIOWrapper, separator: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row ends, and its cells; blank lines are left out."""
    csv.field_size_limit(MOST_BYTES)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"{source} line {reader.line_num}: {error}; check the quotation marks") from None


def _check_column(source: str, column: str, header: tuple[str, ...]) -> None:
    if header.count(column) != 1:
        count = "no column" if column not in header else "several columns"
        raise ValueError(f"{source} has {count} `{column}`; its columns are {', '.join(header) or 'none'}")
