"""What records come in: told by the first lines, read one by one, and damage is an error and not fewer records."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from data.files.lines import DataError, Problem
from data.formats.containers import open_container
from data.formats.importer import ImportOptions, import_examples
from data.formats.report import ImportReport

ROWS = [
    {"text": "Ann met", "spans": [{"start": 0, "end": 3, "label": "PER"}]},
    {"text": "无人", "spans": []},
]


def values(source: Path, **options: object) -> list[list[tuple[str, str]]]:
    examples = import_examples(source, ImportOptions(**options), ImportReport())  # type: ignore[arg-type]
    return [[(entity.type, entity.text) for entity in example.entities] for example in examples]


def test_parquet_rows_are_read_one_by_one(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert values(tmp_path / "rows.parquet") == [[("PER", "Ann")], []]
    container = open_container(tmp_path / "rows.parquet")
    assert (container.kind, list(container.records([]))) == ("parquet", list(enumerate(ROWS, 1)))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"input": "a"}\n{"input": "b"}\n', "jsonl"),
        (b'\n\n{"input": "a"}\n', "jsonl"),
        (b'["a", {"entities": []}]\n["b", {"entities": []}]\n', "jsonl"),
        (b'["a", {"entities": []}]\n', "jsonl"),
        (b'[{"a": 1}, {"a": 2}]', "json"),
        (b'[\n {"a": 1},\n {"a": 2}\n]\n', "json"),
        (b'{\n "documents": []\n}\n', "json"),
        (b"a O\nb B-X\n\n", "conll"),
        (b"# sent_id = 1\n# text = a\n1\ta\tO\t-\t-\n", "uner"),
        (b"", "jsonl"),
    ],
)
def test_what_a_file_holds_is_told_by_its_first_lines(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert open_container(path).kind == kind


def test_plain_prose_is_no_known_container(tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text("Ann met Bob.\nThey went on.\n")
    with pytest.raises(ValueError, match="first lines are neither JSON nor tokens with tags"):
        open_container(tmp_path / "prose.txt")


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_a_file_cut_off_is_an_error_and_not_fewer_records(tmp_path: Path, kind: str, cut: float) -> None:
    rows = [{"text": f"Ann {i} {i * 7919}", "label": [[0, 3, "PER"]]} for i in range(500)]
    lines = [json.dumps(row) for row in rows]
    whole = (f"[{','.join(lines)}]" if kind == "json" else "\n".join(lines)).encode()
    (tmp_path / f"a.{kind}").write_bytes(whole[: int(cut * len(whole))])
    packed = gzip.compress(whole)
    (tmp_path / f"b.{kind}.gz").write_bytes(packed[: int(cut * len(packed))])
    for source in tmp_path.iterdir():
        with pytest.raises(DataError, match="not JSON|damaged"):
            values(source)


def test_lines_of_a_damaged_gzip_before_the_damage_are_numbered(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"input": "a"}\n' * 100_000)
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    problems: list[Problem] = []
    read = sum(1 for _ in open_container(path).records(problems))
    assert [problem.line for problem in problems] == [read + 1]


def test_a_table_row_with_too_few_cells_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('text,spans\nAnn,"[[0, 3, ""PER""]]"\nBob\n')
    with pytest.raises(DataError, match=r"t.csv:3: has more or fewer cells"):
        values(tmp_path / "t.csv")


def test_columns_of_tokens_below_a_long_comment_are_read_if_the_format_is_said(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("# a comment\n" * 60 + "Ann B-PER\nmet O\n")
    with pytest.raises(ValueError, match="neither JSON nor tokens"):
        values(path)
    assert values(path, format="conll") == [[("PER", "Ann")]]


def test_an_azure_project_has_its_texts_in_files_beside_it_and_none_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "one.txt").write_text("😀\r\n张三来了", encoding="utf-8", newline="")
    (tmp_path / "secret.txt").write_text("outside")
    labels = [{"category": "NAME", "offset": 4, "length": 2}]
    document = {"location": "one.txt", "language": "zh-hans", "dataset": "Train",
                "entities": [{"regionOffset": 0, "regionLength": 8, "labels": labels}]}  # fmt: skip
    project = {
        "projectFileVersion": "1",
        "stringIndexType": "Utf16CodeUnit",
        "assets": {"documents": [document]},
    }
    (folder / "project.json").write_text(json.dumps(project, indent=1), encoding="utf-8")
    assert values(folder / "project.json") == [[("NAME", "张三")]]
    document["location"] = "../secret.txt"
    (folder / "project.json").write_text(json.dumps(project, indent=1), encoding="utf-8")
    with pytest.raises(ValueError, match="record 1: `location` must name a file below the folder"):
        values(folder / "project.json")


def test_a_project_on_one_line_is_a_project_and_not_a_record(tmp_path: Path) -> None:
    document = {"text": "Ann met", "entities": [{"category": "PER", "offset": 0, "length": 3}]}
    file = tmp_path / "project.json"
    file.write_text(json.dumps({"documents": [document, document]}))
    assert open_container(file).kind == "json"
    file.write_text(json.dumps({"text": "Ann met", "data": ["a", "b"]}))
    assert open_container(file).kind == "jsonl"


def test_brackets_without_end_are_a_problem_and_take_no_memory(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_bytes(b"[" * 100_000)
    with pytest.raises(DataError, match="more than 100 levels of brackets"):
        values(tmp_path / "deep.json")


def test_columns_of_a_csv_file_may_be_separated_by_semicolons(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('text;spans\n"Ann; met";"[[0, 3, \'PER\']]"\n')
    assert values(tmp_path / "t.csv") == [[("PER", "Ann")]]


def test_a_line_that_cannot_be_read_takes_its_record_with_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(
        b'text,spans\n"Ann\n\xff\nBob met","[[8, 11, \'PER\']]"\n"Eve met","[[0, 3, \'PER\']]"\n'
    )
    assert values(tmp_path / "t.csv", drop_bad=True) == [[("PER", "Eve")]]
    (tmp_path / "t.conll").write_bytes(b"Ann B-PER\n\xff B-PER\nmet O\n\nEve B-PER\n")
    assert values(tmp_path / "t.conll", drop_bad=True) == [[("PER", "Eve")]]
    for name in ("t.csv", "t.conll"):
        with pytest.raises(DataError, match="is not UTF-8"):
            values(tmp_path / name)


def test_a_text_file_beside_a_project_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    label = {"category": "PER", "offset": 4, "length": 3}
    project = {"assets": {"documents": [{"location": "a.txt", "entities": [label]}]}}
    (tmp_path / "a.json").write_text(json.dumps(project))
    (tmp_path / "a.txt").write_bytes(b"\xff\nxx\nAnn\n")
    with pytest.raises(DataError, match="must name a file below the folder of the source, in UTF-8"):
        values(tmp_path / "a.json")
