"""A storage URL is shown without its secrets, and one that cannot be meant is told in a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainable.trial.storage_url import (
    URL_VARIABLE,
    hide_credentials,
    masked,
    opened,
    remembered,
    whole_url,
    without_secrets,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/runs", "s3://bucket/runs"),
        ("s3://KEY:SECRET@bucket/runs?region=eu-west-1", "s3://***@bucket/runs?region=eu-west-1"),
        ("s3://KEY:SEC/RET@bucket", "s3://***@bucket"),  # not encoded, as people paste it
        ("s3://KEY:SEC?RET@bucket/a@b", "s3://***@b"),
        (
            "abfs://place@account.net/x?sas_token=SECRET&region=r",
            "abfs://***@account.net/x?sas_token=***&region=r",
        ),
        ("s3://bucket?SECRET", "s3://bucket?***=***"),
        ("/mnt/shared", "/mnt/shared"),
        ("", ""),
    ],
)
def test_secrets_of_a_url_are_not_shown(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert masked(shown) == shown


def test_what_is_hidden_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "s3://KEY:SECRET@bucket/runs"
    monkeypatch.setenv(URL_VARIABLE, url)
    assert whole_url(masked(url)) == url
    assert whole_url("file:///tmp") == "file:///tmp"
    with pytest.raises(ValueError, match=f"needs its credentials, .* environment variable {URL_VARIABLE}"):
        whole_url("s3://***@other/runs")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://KEY:SECRET@host/x", "Unrecognized filesystem type in URI: ftp://***@host/x"),
        ("runs/here", "URI has empty scheme"),
        ("s3://KEY:SECRET@bucket /x", "Cannot parse URI: 's3://***@bucket /x'"),
        ("s3://bucket?secret=SECRET", "Unexpected query parameter in S3 URI: 'secret'"),
        ("file://host/x", "Unsupported hostname"),
    ],
)
def test_a_url_that_cannot_be_meant_is_told_in_a_sentence_without_its_secrets(
    url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "")
    remembered(url)
    with pytest.raises(ValueError) as caught:
        opened(url)
    said = str(caught.value)
    assert said.startswith(f"`--storage` is {masked(url)}, but must be a URL with file://, s3://, ")
    assert reason in said
    assert "SECRET" not in said
    assert "\n" not in said


def test_a_folder_is_a_storage_too(tmp_path: Path) -> None:
    assert opened(str(tmp_path))[1] == opened(tmp_path.as_uri() + "/")[1] == str(tmp_path)


def test_an_error_is_told_without_what_the_url_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "s3://KEYNAME:SECRET@bucket/runs"
    monkeypatch.setenv(URL_VARIABLE, "")
    assert remembered(url) == masked(url)
    assert (
        without_secrets(f"cannot open {url}: SECRET is wrong\nmore")
        == f"cannot open {masked(url)}: *** is wrong"
    )


def test_a_command_with_a_password_shows_none_to_other_users() -> None:
    hide_credentials("s3://bucket/runs")  # nothing to hide
    code = (
        "import os, sys; from trainable.trial.storage_url import hide_credentials; hide_credentials(sys.argv[1]); "
        f"print(open('/proc/self/cmdline').read().split(chr(0))[-2], os.environ['{URL_VARIABLE}'])"
    )
    url = "s3://KEY:SECRET@bucket/runs"
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["s3://***@bucket/runs", url]
