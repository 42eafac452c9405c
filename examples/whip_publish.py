"""Publishes into a room by WHIP (RFC 9725) with aiortc: a file or a camera that FFmpeg reads, or a test card.

python examples/whip_publish.py URL TOKEN [--play FILE|/dev/video0] [--seconds N]
"""

import argparse
import asyncio
import contextlib
from pathlib import Path
from urllib.parse import urljoin

import httpx
from aiortc import RTCPeerConnection, RTCSessionDescription

from loadtest import loopback, sources


async def publish(url: str, token: str, source: sources.Source, seconds: float) -> None:
    connection, ended = RTCPeerConnection(), asyncio.Event()

    @connection.on("connectionstatechange")
    async def changed() -> None:
        print(connection.connectionState, flush=True)
        if connection.connectionState in ("failed", "closed"):
            ended.set()

    for track in (source.audio, source.video):
        if track is not None:
            connection.addTransceiver(track, direction="sendonly")
    await connection.setLocalDescription(await connection.createOffer())

    bearer = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=bearer) as http:
        headers = {"Content-Type": "application/sdp"}
        answer = await http.post(f"{url}/v1/whip", content=connection.localDescription.sdp, headers=headers)
        if answer.is_error:
            raise SystemExit(answer.json()["detail"])
        session = urljoin(url, answer.headers["Location"])
        await connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        # Ends after `seconds`, when interrupted, or when a moderator removed the publisher.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), seconds)
        await http.delete(session)
    await connection.close()
    source.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Publishes into a room by WHIP.")
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--play", type=Path, help="a file or device to publish instead of the test card")
    parser.add_argument("--seconds", type=float, default=3600)
    wish = parser.parse_args()
    loopback.allow(wish.url)
    source = sources.file(wish.play) if wish.play else sources.card(1)
    asyncio.run(publish(wish.url, wish.token, source, wish.seconds))


if __name__ == "__main__":
    main()
