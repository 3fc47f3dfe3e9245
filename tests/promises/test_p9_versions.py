"""P9: old meets new. Images forged as an older and a newer layout version are refused with an error that names both."""

import os
from pathlib import Path

import pytest

import corestate
from corestate import errors
from corestate._binding import ffi, lib
from corestate.config import RegionConfig
from corestate.region import attach_region, create_region, open_region

SMALL = RegionConfig(agents=4, areas=4, counters=4, gauges=4, locks=4, events=4, participants=4, values=8)
CURRENT = lib.CS_LAYOUT_VERSION
OTHERS = [0, *range(max(1, CURRENT - 3), CURRENT), CURRENT + 1, CURRENT + 2, 1000, 0xFFFFFFFF]


def version_offset(image: bytes) -> int:
    """Where the header keeps the version, found by changing each word and asking the core."""
    memory = ffi.new("unsigned char[]", len(image) + 64)
    start = -int(ffi.cast("uintptr_t", memory)) % 64
    info = ffi.new("cs_region_info *")
    for offset in range(0, 256, 4):
        forged = bytearray(image)
        forged[offset : offset + 4] = (0x5A5A5A5A).to_bytes(4, "little")
        ffi.memmove(memory + start, bytes(forged), len(forged))
        if lib.cs_region_probe(memory + start, len(forged), info) == lib.CS_E_VERSION:
            assert info.version == 0x5A5A5A5A
            return offset
    raise AssertionError("no word of the header is the version")


def forge(path: str, version: int) -> bytes:
    """Make a region with something in it, and give its image another version."""
    with corestate.create(path, SMALL) as state:
        state.counters["kept"].set(42)
    image = bytearray(Path(path).read_bytes())
    offset = version_offset(bytes(image))
    image[offset : offset + 4] = version.to_bytes(4, "little")
    Path(path).write_bytes(bytes(image))
    return bytes(image)


@pytest.mark.parametrize("version", OTHERS)
def test_p9_another_version_is_refused_and_both_are_named(path, version):
    image = forge(path, version)
    for attempt in (open_region, attach_region, lambda where: open_region(where, mode="r"), corestate.open):
        with pytest.raises(errors.LayoutVersionError) as caught:
            attempt(path)
        assert f"expected layout version {CURRENT}, the one this corestate reads and writes" in str(caught.value)
        assert f"found version {version}, made by {'a newer' if version > CURRENT else 'an older'} corestate" in str(
            caught.value
        )
        assert "snapshot" in str(caught.value)
        assert isinstance(caught.value, ValueError)
    with pytest.raises(errors.RegionExistsError):
        create_region(path)
    assert Path(path).read_bytes() == image


@pytest.mark.parametrize("version", OTHERS)
def test_p9_shared_memory_of_another_version_is_not_started_over(shm, version, path):
    image = forge(path, version)
    file = Path("/dev/shm") / shm.removeprefix("shm:")
    file.write_bytes(image)
    for attempt in (open_region, attach_region):
        with pytest.raises(errors.LayoutVersionError, match=f"version {version}"):
            attempt(shm)
    with pytest.raises(errors.RegionExistsError):  # as of a file: what it is does not matter
        create_region(shm)
    assert file.read_bytes() == image
    corestate.unlink(shm)
    assert not file.exists()


def test_p9_the_version_is_believed_before_anything_else_of_a_newer_header(path):
    """A newer layout may keep sizes and sections elsewhere: its version is named, not what looks wrong to us."""
    image = bytearray(forge(path, CURRENT + 1))
    offset = version_offset(bytes(image)) + 8
    image[offset:512] = os.urandom(512 - offset)
    for size in (len(image), 512, len(image) + 4096):
        Path(path).write_bytes(bytes(image[:size]).ljust(size, b"\1"))
        with pytest.raises(errors.LayoutVersionError, match=f"found version {CURRENT + 1}"):
            open_region(path)


def test_p9_the_version_given_back_opens_again(path):
    image = bytearray(forge(path, CURRENT + 1))
    offset = version_offset(bytes(image))
    image[offset : offset + 4] = CURRENT.to_bytes(4, "little")
    Path(path).write_bytes(bytes(image))
    with corestate.attach(path) as state:
        assert state.counters["kept"].value == 42


def test_p9_unlink_removes_what_cannot_be_opened(path):
    forge(path, CURRENT + 1)
    corestate.unlink(path)
    assert not Path(path).exists()


def test_p9_every_region_and_snapshot_says_its_version(path, tmp_path):
    with corestate.create(path, SMALL) as state:
        info = ffi.new("cs_region_info *")
        assert lib.cs_region_describe(state.region.view, info) == 0
        assert info.version == CURRENT
        assert state.snapshot(tmp_path / "picture").version == lib.CS_SNAPSHOT_VERSION


def test_p9_a_snapshot_of_another_version_is_refused_and_both_are_named(path, tmp_path):
    picture = tmp_path / "picture"
    with corestate.create(path, SMALL) as state:
        state.counters["kept"].set(42)
        state.snapshot(picture)
    image = bytearray(picture.read_bytes())
    memory, info = ffi.new("unsigned char[]", len(image)), ffi.new("cs_snapshot_info *")
    refused = []
    for offset in range(min(len(image), 64)):  # wherever the format keeps it
        forged = bytearray(image)
        forged[offset] ^= 0x06
        ffi.memmove(memory, bytes(forged), len(forged))
        if lib.cs_snapshot_probe(memory, len(forged), info) == lib.CS_E_VERSION:
            refused.append((int(info.version), bytes(forged)))
    assert refused
    for version, forged in refused:
        picture.write_bytes(forged)
        with pytest.raises(errors.LayoutVersionError) as caught:
            corestate.restore(picture, tmp_path / "restored.state")
        assert f"expected snapshot version {lib.CS_SNAPSHOT_VERSION}" in str(caught.value)
        assert f"found version {version}" in str(caught.value)
        assert not (tmp_path / "restored.state").exists()
