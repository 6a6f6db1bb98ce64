"""Tables with a column of texts: what is read, written again, and refused."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest

from data.files.stream import Document, Reject
from data.files.tables import open_table

_ROWS = [
    ["id", "note, long", "n"],
    ["1", 'He said "hi",\nthen left', "1"],
    ["2", "", "2"],
    ["3", "王芳来了", "3"],
]


def csv_file(path: Path, rows: list[list[str]], separator: str = ",", encoding: str = "utf-8") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    content = text.getvalue().encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def written(source: str, column: str, change: str = "<{}>") -> bytes:
    table = open_table(source, column)
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    with table.writer(out) as writer:
        for item in table.documents("t"):
            if isinstance(item, Document):
                writer.write(item, change.format(item.text))
    out.flush()
    binary = out.buffer
    assert isinstance(binary, io.BytesIO)
    return binary.getvalue()


@pytest.mark.parametrize(
    ("name", "separator", "encoding"),
    [
        ("a.csv", ",", "utf-8"),
        ("a.csv", ";", "utf-8-sig"),
        ("a.tsv", "\t", "utf-16"),
        ("a.csv.gz", ",", "utf-8"),
    ],
)
def test_a_csv_table_comes_back_with_other_texts_alone(
    tmp_path: Path, name: str, separator: str, encoding: str
) -> None:
    source = csv_file(tmp_path / name, _ROWS, separator, encoding)
    documents = list(open_table(source, "note, long").documents("t"))
    assert [one.text for one in documents if isinstance(one, Document)] == [row[1] for row in _ROWS[1:]]
    assert [one.id for one in documents if isinstance(one, Document)] == ["t:1", "t:2", "t:3"]
    back = list(csv.reader(io.StringIO(written(source, "note, long").decode()), delimiter=separator))
    assert back == [_ROWS[0], *([row[0], f"<{row[1]}>", row[2]] for row in _ROWS[1:])]


def test_rows_that_cannot_be_read_are_rejected_with_their_bytes(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(b"id,note\n1,good\n2,a,b\n3,\xc4\xe3\n4,fine\n")
    good, wide, foreign, last = open_table(str(source), "note").documents("t")
    assert isinstance(wide, Reject)
    assert isinstance(foreign, Reject)
    assert (wide.line, wide.raw) == (3, b"2,a,b\n")
    assert wide.what.startswith("has 3 cells, but the header 2")
    assert (foreign.line, foreign.raw) == (4, b"3,\xc4\xe3\n")
    assert foreign.what.startswith("is not UTF-8")
    assert [one.text for one in (good, last) if isinstance(one, Document)] == ["good", "fine"]


def test_a_quotation_without_end_and_a_torn_archive_end_the_reading(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text('id,note\n1,"open\n2,x\n', encoding="utf-8")
    with pytest.raises(ValueError, match="line 3: unexpected end of data; check the quotation marks"):
        list(open_table(str(source), "note").documents("t"))
    torn = tmp_path / "b.csv.gz"
    rows = [["id", "note"], *([str(number), str(hash(str(number)))] for number in range(3000))]
    torn.write_bytes(Path(csv_file(tmp_path / "c.csv.gz", rows)).read_bytes()[:-2000])
    with pytest.raises(ValueError, match="b.csv.gz is a damaged archive"):
        list(open_table(str(torn), "note").documents("t"))


def test_a_parquet_table_keeps_other_columns_types_and_nulls(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    count = 2500  # more than two batches
    notes = [None if number % 7 == 0 else f"note {number}" for number in range(count)]
    when = pyarrow.array(range(count), pyarrow.timestamp("ns"))
    deep = pyarrow.array([[{"a": number}] for number in range(count)])
    before = pyarrow.table({"when": when, "note": pyarrow.array(notes, pyarrow.large_string()), "deep": deep})
    pyarrow.parquet.write_table(before, tmp_path / "a.parquet")
    after = pyarrow.parquet.read_table(io.BytesIO(written(str(tmp_path / "a.parquet"), "note")))
    assert after.schema == before.schema
    assert after.column("note").to_pylist() == [None if note is None else f"<{note}>" for note in notes]
    assert after.drop(["note"]) == before.drop(["note"])
    with pytest.raises(ValueError, match=r"column `when` of .* holds timestamp\[ns\], but must hold texts"):
        open_table(str(tmp_path / "a.parquet"), "when")


def test_what_is_no_table_or_lacks_the_column_is_refused(tmp_path: Path) -> None:
    source = csv_file(tmp_path / "a.csv", [["a", "b", "b"], ["1", "2", "3"]])
    with pytest.raises(ValueError, match="has no column `text`; its columns are a, b, b"):
        open_table(source, "text")
    with pytest.raises(ValueError, match="has several columns `b`"):
        open_table(source, "b")
    with pytest.raises(ValueError, match="does not end in .csv, .tsv, .parquet"):
        open_table("-", "text")
    (tmp_path / "b.parquet").write_bytes(b"no")
    with pytest.raises(ValueError, match="b.parquet is no Parquet file, or damaged"):
        open_table(str(tmp_path / "b.parquet"), "text")
    (tmp_path / "c.csv").touch()
    with pytest.raises(ValueError, match="has no column `text`; its columns are none"):
        open_table(str(tmp_path / "c.csv"), "text")
