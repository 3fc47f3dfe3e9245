"""Addresses: what each form means, and what is refused."""

import pathlib

import pytest

from corestate.address import Address, parse, path_of
from corestate.errors import AddressError


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("brain.state", "file", "brain.state"),
        ("/run/brain.state", "file", "/run/brain.state"),
        ("./shm:x", "file", "./shm:x"),
        ("c:brain", "file", "c:brain"),
        ("heap", "file", "heap"),
        ("ä b", "file", "ä b"),
        ("shm:brain", "shm", "brain"),
        ("shm:/brain", "shm", "brain"),
        ("shm:ähren", "shm", "ähren"),
        ("heap:", "heap", ""),
    ],
)
def test_forms(text, kind, name):
    found = parse(text)
    assert found == Address(kind, name)
    assert parse(str(found)) == found
    assert parse(found) is found


def test_a_pathlike_is_a_path():
    assert parse(pathlib.PurePosixPath("shm:x")) == Address("file", "shm:x")
    assert parse(pathlib.PurePosixPath("heap:")) == Address("file", "heap:")


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "a\0b", "\ud800", "http://host/x", "redis://host", "file:///tmp/x", "heap:x", "heap: "),
        *("shm:", "shm:/", "shm:a/b", "shm:.", "shm:..", "shm:" + "x" * 251, "shm:a\0b", "shm:\ud800"),
        *(b"bytes", 5, None, object()),
    ],
)
def test_what_is_refused(wrong):
    with pytest.raises(AddressError, match=r"expected .+, found .+; .+") as caught:
        parse(wrong)
    assert isinstance(caught.value, ValueError)


def test_where_the_file_behind_an_address_is(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert path_of(parse("x")) == str(tmp_path / "x")
    assert path_of(parse("shm:x")) == "/dev/shm/x"
    assert path_of(parse("heap:")) == ""
