"""What of an answer is written together, and that nothing stays behind."""

import asyncio
from typing import Any, cast

from emucluster.live.kubeapi.one_write import OneWrite

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"body"


class Transport:
    def __init__(self) -> None:
        self.written: list[Any] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.written.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.written


def written(*steps: bytes | str) -> list[Any]:
    async def main() -> list[Any]:
        transport = Transport()
        wrapped = OneWrite(cast(asyncio.Transport, transport), asyncio.get_running_loop())
        for step in steps:
            if step == "turn":
                await asyncio.sleep(0)
            elif step == "close":
                wrapped.close()
                assert wrapped.is_closing()
            else:
                assert isinstance(step, bytes)
                wrapped.write(step)
        await asyncio.sleep(0)
        return transport.written

    return asyncio.run(main())


def test_a_head_and_its_body_are_one_write_and_what_follows_is_not_held() -> None:
    assert written(HEAD, BODY, BODY) == [HEAD + BODY, BODY]
    assert written(HEAD, BODY, HEAD, BODY) == [HEAD + BODY] * 2


def test_a_head_alone_goes_when_the_loop_comes_round() -> None:
    assert written(HEAD) == [HEAD]
    assert written(HEAD, "turn", BODY) == [HEAD, BODY]


def test_what_is_held_goes_before_the_end() -> None:
    assert written(HEAD, "close") == [HEAD, "closed"]
