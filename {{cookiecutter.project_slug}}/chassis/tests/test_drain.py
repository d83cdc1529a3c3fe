import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.drain import Drain


async def numbers() -> AsyncIterator[int]:
    for number in range(3):
        yield number


async def waiting() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


async def broken() -> AsyncIterator[int]:
    yield 1
    raise TimeoutError("the source's own")


async def test_a_stream_ends_where_its_source_does() -> None:
    assert [number async for number in Drain().until_begun(numbers())] == [0, 1, 2]


async def test_a_stream_that_waits_ends_when_the_drain_begins() -> None:
    drain = Drain()
    asyncio.get_running_loop().call_later(0.05, lambda: drain.begin(stopping=False))
    async with asyncio.timeout(30):
        assert [number async for number in drain.until_begun(waiting())] == [1]


async def test_after_the_drain_has_begun_nothing_streams() -> None:
    drain = Drain()
    drain.begin(stopping=True)
    assert [number async for number in drain.until_begun(numbers())] == []


async def test_the_sources_own_errors_pass() -> None:
    with pytest.raises(TimeoutError, match="the source's own"):
        [number async for number in Drain().until_begun(broken())]


def test_a_stop_is_not_taken_back() -> None:
    drain = Drain()
    drain.begin(stopping=False)
    assert (drain.begun, drain.stopping) == (True, False)
    drain.begin(stopping=True)
    drain.begin(stopping=False)
    assert (drain.begun, drain.stopping) == (True, True)
