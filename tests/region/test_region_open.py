"""Opening: addresses of each kind, create and attach, configuration, permissions, reading only."""
# ruff: noqa: PTH101, PTH109, PTH110, PTH116, PTH119, PTH120, PTH123, PTH211

import os
import stat
from pathlib import Path

import looking
import pytest

from corestate import address as addresses
from corestate import errors
from corestate._binding import lib
from corestate.config import RegionConfig
from corestate.region import attach_region, create_region, open_region, unlink

SMALL = RegionConfig(agents=4, areas=4, counters=8, gauges=8, locks=4, events=16, participants=4)


def backing(address: str) -> str:
    """The file behind an address."""
    return addresses.path_of(addresses.parse(address))


def test_open_makes_what_is_not_there_and_attaches_to_what_is(address):
    with open_region(address) as first, open_region(address) as second:
        assert first.instance == second.instance
        assert first.participant != second.participant
        looking.add(first, looking.counter(first), 7)
        assert looking.value(second, looking.counter(second)) == 7


def test_a_region_outlives_who_made_it(address):
    with open_region(address) as region:
        instance = region.instance
        looking.add(region, looking.counter(region), 3)
    with attach_region(address) as region:
        assert region.instance == instance
        assert looking.value(region, looking.counter(region)) == 3


def test_heap_is_for_one_process_and_each_has_its_own():
    with open_region("heap:") as one, open_region("heap:") as other:
        assert one.instance != other.instance
        looking.add(one, looking.counter(one))
        assert looking.value(other, looking.counter(other)) == 0


def test_create_insists_on_a_free_address(address):
    create_region(address).close()
    with pytest.raises(errors.RegionExistsError, match="attach to it, or unlink it") as caught:
        create_region(address)
    assert isinstance(caught.value, FileExistsError)


def test_attach_insists_on_a_region(address):
    for attempt in (attach_region, lambda where: open_region(where, create=False)):
        with pytest.raises(errors.RegionNotFoundError, match="found nothing") as caught:
            attempt(address)
        assert isinstance(caught.value, FileNotFoundError)
    assert not os.path.exists(backing(address))


def test_unlink_removes_the_name_and_leaves_who_is_attached(address):
    with open_region(address) as old:
        unlink(address)
        assert not os.path.exists(backing(address))
        assert looking.add(old, looking.counter(old)) == 0
        with open_region(address) as new:
            assert new.instance != old.instance
    with pytest.raises(errors.RegionNotFoundError):
        unlink(address + "-not-there")


def test_the_size_is_what_the_configuration_says_and_reserved(address):
    with open_region(address, config=SMALL) as region:
        status = os.stat(backing(address))
        assert region.size == SMALL.size == status.st_size
        assert status.st_blocks * 512 >= status.st_size


def test_attaching_takes_what_the_region_has(address):
    create_region(address, SMALL).close()
    with open_region(address) as region:
        assert region.config == SMALL
    with open_region(address, config=SMALL) as region:
        assert region.config == SMALL


@pytest.mark.parametrize("mode", ["rw", "r"])
def test_another_configuration_is_an_error_that_lists_the_differences(address, mode):
    create_region(address, SMALL).close()
    with pytest.raises(errors.ConfigMismatchError) as caught:
        open_region(address, mode=mode, config=RegionConfig(agents=5, areas=4, counters=8, gauges=8, locks=4, events=16,
                                                            participants=4, permissions=0o640))  # fmt: skip
    assert caught.value.differences == {"agents": (5, 4), "permissions": (0o640, 0o600)}
    assert "expected agents=5, permissions=0o640, found agents=4, permissions=0o600" in str(caught.value)
    with attach_region(address) as region:
        assert list(looking.participants(region)) == [os.getpid()]


@pytest.mark.parametrize("permissions", [0o600, 0o660, 0o644, 0o606])
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_permissions_are_as_configured_whatever_the_umask(address, permissions, umask):
    before = os.umask(umask)
    try:
        create_region(address, RegionConfig(permissions=permissions)).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(backing(address)).st_mode) == permissions
    with attach_region(address) as region:
        assert region.config.permissions == permissions


def test_reading_only_maps_read_only_and_takes_no_slot(address):
    with open_region(address) as writer, open_region(address, mode="r") as reader:
        handle = looking.counter(writer)
        looking.add(writer, handle, 5)
        assert looking.value(reader, handle) == 5
        assert looking.add(reader, handle) == lib.CS_E_READ_ONLY
        assert reader.participant == 0
        assert list(looking.participants(reader)) == [os.getpid()]
        assert sorted(looking.mappings(backing(address))) == ["r--s", "rw-s"]
        with pytest.raises(TypeError):
            reader.memory[0] = 0


def test_reading_only_works_without_permission_to_write(address):
    create_region(address, RegionConfig(permissions=0o444)).close()
    Path(backing(address)).parent.chmod(0o755) if address.startswith("/") else None
    os.chmod(backing(address), 0o444)

    def read() -> int:
        with open_region(os.path.basename(address) if address.startswith("/") else address, mode="r") as region:
            return region.size

    here = os.getcwd()
    try:
        if address.startswith("/"):
            os.chdir(os.path.dirname(address))  # nobody may not search the directories above
        assert looking.as_nobody(read) == RegionConfig().size
    finally:
        os.chdir(here)


def test_reading_only_makes_nothing(address):
    with pytest.raises(errors.RegionNotFoundError):
        open_region(address, mode="r", create=True)
    assert not os.path.exists(backing(address))


def test_a_path_may_be_relative_a_pathlike_or_a_link(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink("target.state", "link.state")
    with open_region("link.state") as region:
        assert stat.S_ISREG(os.lstat("target.state").st_mode)
        with open_region(tmp_path / "target.state") as again:
            assert again.instance == region.instance
    with open_region(Path("shm:odd")) as region:
        assert region.address.kind == "file"
        assert os.path.exists("shm:odd")


def test_a_name_of_255_bytes_is_a_name(tmp_path):
    with open_region(tmp_path / ("n" * 255)) as region:
        assert region.participant


def test_a_sparse_copy_gets_its_blocks_back_when_it_is_opened(path, tmp_path):
    create_region(path).close()
    content = Path(path).read_bytes()
    copy = tmp_path / "copy.state"
    with open(copy, "wb") as out:
        out.truncate(len(content))
        out.write(content[:4096])
    if os.stat(copy).st_blocks * 512 >= len(content):
        pytest.skip("this file system has no sparse files")
    with open_region(copy):
        assert os.stat(copy).st_blocks * 512 >= len(content)


def test_every_participant_slot_can_be_used_and_one_more_is_an_error(address):
    regions = [open_region(address, config=SMALL) for _ in range(SMALL.participants)]
    assert len({region.participant for region in regions}) == SMALL.participants
    with pytest.raises(errors.ParticipantsFullError, match='mode="r"'):
        open_region(address)
    regions[1].close()
    with open_region(address) as region:
        assert region.participant
    for opened in regions:
        opened.close()


def test_what_a_region_says_of_itself(address):
    with open_region(address) as region:
        assert address in repr(region)
        assert "mode='rw'" in repr(region)
        assert str(region.address) == address
        assert len(region.instance) == 32
        assert region.writable
        assert not region.detached
    assert "closed" in repr(region)
    assert region.closed
