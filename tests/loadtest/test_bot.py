"""The bot against a server that speaks the protocol and answers with an aiortc peer."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.server import serve

from loadtest import envelope, sources, testcard
from loadtest.__main__ import main
from loadtest.bot import Bot
from loadtest.recorder import Recorder
from loadtest.signaling import Refused
from sfu.model import DisconnectReason, Kind, ParticipantState, Source
from sfu.signalling import messages
from sfu.views import SlotInfo

from .fake_server import fake_server, person, track

CAMERA = track("TR_ada1", Kind.VIDEO, Source.CAMERA)
MICROPHONE = track("TR_ada2", Kind.AUDIO, Source.MICROPHONE)


def test_an_envelope_names_the_other_end() -> None:
    assert envelope.seal("PA_x", b"hi") == b"\x04PA_xhi"
    assert envelope.unseal(b"\x00hi") == ("", b"hi")
    with pytest.raises(ValueError, match="shorter than its envelope"):
        envelope.unseal(b"\x05PA")


async def test_a_bot_joins_with_its_token_as_subprotocol_and_connects() -> None:
    async with fake_server() as server, Bot(server.url, room="a/b", token="t.o.k") as bot:
        assert server.requests == [("/v1/rooms/a%2Fb/rtc", "sfu.v1, bearer.t.o.k", "join")]
        assert bot.joined.you.identity == "bot"
        assert bot.pc.connectionState == "connected"
    assert server.of(messages.Leave)


async def test_what_a_bot_publishes_is_declared_named_in_the_offer_and_arrives() -> None:
    async with (
        fake_server() as server,
        Bot(server.url, room="lobby", token="t", source=sources.card(7)) as bot,
    ):
        declared = [(m.cid, m.kind, m.source) for m in server.of(messages.Publish) if isinstance(m, messages.Publish)]
        assert declared == [("video", Kind.VIDEO, Source.CAMERA), ("audio", Kind.AUDIO, Source.MICROPHONE)]
        offer = server.of(messages.Offer)[-1]
        assert isinstance(offer, messages.Offer) and sorted(offer.tracks.values()) == ["audio", "video"]
        assert bot.published["video"].sid == "TR_video"
        frame = await server.received["video"].recv()
        reading = testcard.read(frame)  # type: ignore[arg-type]
        assert reading is not None and reading.card == 7


async def test_tracks_published_at_the_same_time_share_the_connected_transport() -> None:
    pictures = [sources.CardTrack(card, 320, 180, 15) for card in (1, 2, 3)]
    async with fake_server() as server, Bot(server.url, room="lobby", token="t") as bot:
        await asyncio.gather(*(bot.publish(track, Source.CAMERA, cid=str(track.card)) for track in pictures))
        senders = [transceiver.sender for transceiver in bot.pc.getTransceivers()]
        assert [sender.track for sender in senders] == pictures
        assert {sender.transport for sender in senders} == {bot.pc.sctp.transport}
        for picture in pictures:
            picture.stop()


async def test_sections_that_are_asked_for_show_what_their_slots_say(tmp_path: Path) -> None:
    played = sources.card(33)
    assert played.video is not None and played.audio is not None
    shows = [
        (played.video, SlotInfo(CAMERA.sid, "PA_ada")),
        (played.audio, SlotInfo(MICROPHONE.sid, "PA_ada")),
    ]
    ada = person("ada", [CAMERA, MICROPHONE])
    recorder = Recorder(tmp_path / "seen")
    async with (
        fake_server(others=[ada], shows=shows) as server,
        Bot(server.url, room="lobby", token="t", recorder=recorder) as bot,
    ):
        await server.say(messages.Renegotiate(audio=1, video=1))
        picture = await bot.until(lambda: bot.of("ada", Source.CAMERA))
        await bot.until(lambda: picture.cards[33] >= 10)
        sound = await bot.until(lambda: bot.of("ada", Source.MICROPHONE))
        await bot.until(lambda: sound.hears(33))
        assert picture.advanced >= 9 and picture.went_back == 0 and picture.size == (320, 180)
        report = bot.report()
    assert [line["participant"] for line in report["received"]] == ["ada", "ada"]  # type: ignore[attr-defined]
    assert sorted(path.suffix for path in (tmp_path / "seen").iterdir())[-1] == ".wav"
    assert list((tmp_path / "seen").glob("ada-camera-*.png"))


async def test_data_travels_in_envelopes_both_ways() -> None:
    async with fake_server() as server, Bot(server.url, room="lobby", token="t") as bot:
        await bot.send(b"all")
        await bot.send(b"one", to="PA_ada", reliable=False)
        await bot.until(lambda: len(bot.messages) == 2)
        assert sorted(server.data) == [("", b"all"), ("PA_ada", b"one")]
        assert sorted((m.sender, m.payload, m.reliable) for m in bot.messages) == [
            ("PA_ada", b"ALL", True),
            ("PA_ada", b"ONE", False),
        ]


async def test_a_refused_request_raises_the_servers_sentence() -> None:
    async with (
        fake_server() as server,
        Bot(server.url, room="lobby", token="t", source=sources.card(1, sound=False)) as bot,
    ):
        with pytest.raises(Refused, match="a moderator decides that"):
            await bot.mute("video", True)
        await bot.mute("video", False)


async def test_a_cut_connection_resumes_from_the_last_message_it_saw() -> None:
    async with fake_server() as server, Bot(server.url, room="lobby", token="t") as bot:
        seen = server._seq
        bot.cut()
        await bot.until(lambda: bot.resumes == 1)
        join = server.of(messages.Join)[-1]
        assert isinstance(join, messages.Join) and join.resume == messages.Resume("PA_bot", "secret", seen)
        assert server.requests[-1][0] == "/v1/rooms/lobby/rtc?resume=1"
        await server.say(messages.Participants((person("ada"),)))
        await bot.until(lambda: bot.participant("ada"))
        await bot.subscribe(["TR_x"])


async def test_a_session_that_is_over_is_told_where_the_bot_waits() -> None:
    async with fake_server() as server, Bot(server.url, room="lobby", token="t") as bot:
        server.resumable = False
        bot.cut()
        with pytest.raises(Refused, match="join with a new session"):
            await bot.until(lambda: bot.resumes == 1)


async def test_a_bot_that_is_put_out_says_why() -> None:
    async with fake_server() as server, Bot(server.url, room="lobby", token="t") as bot:
        await server.say(messages.Left(DisconnectReason.PARTICIPANT_REMOVED, "you were removed from the room"))
        await bot.until(lambda: bot.left)
        with pytest.raises(Refused, match="you were removed"):
            await bot.until(lambda: False)


async def test_a_wait_that_ends_without_success_reports_the_bot() -> None:
    async with fake_server() as server, Bot(server.url, room="lobby", token="t") as bot:
        with pytest.raises(TimeoutError, match="'identity': 'bot', 'media': 'connected'"):
            await bot.until(lambda: False, 0.0)


async def test_a_bot_that_is_not_let_in_raises_the_reason() -> None:
    refusal = messages.Left(DisconnectReason.JOIN_FAILURE, "the room is full")
    async with fake_server(refuses=refusal) as server:
        with pytest.raises(Refused, match="the room is full"):
            async with Bot(server.url, room="lobby", token="t"):
                pass


@pytest.mark.parametrize(
    ("body", "sentence"), [('{"detail": "The token has expired."}', "has expired"), ("<html>", "answered 401")]
)
async def test_a_bot_whose_handshake_is_refused_says_why(body: str, sentence: str) -> None:
    async with serve(
        lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=lambda connection, _: connection.respond(401, body)
    ) as server:
        with pytest.raises(Refused, match=sentence):
            async with Bot(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", room="lobby", token="t"):
                pass


async def test_others_come_change_and_go() -> None:
    async with fake_server(others=[person("ada")]) as server, Bot(server.url, room="lobby", token="t") as bot:
        await server.say(messages.Participants((person("bob", [CAMERA]),)))
        bob = await bot.until(lambda: bot.participant("bob"))
        assert bob.tracks == (CAMERA,)
        gone = replace(bob, state=ParticipantState.DISCONNECTED)
        await server.say(messages.Participants((gone,)))
        await bot.until(lambda: bot.participant("bob") is None)
        assert bot.participant("ada") is not None


def test_a_server_that_is_not_there_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFU_URL", "http://127.0.0.1:1")
    assert main(["bot", "--room", "x", "--seconds", "1"]) == 1
    assert "the server cannot be asked for a token" in capsys.readouterr().err


async def test_a_bot_in_the_background_has_joined_when_the_command_returns_and_stays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with fake_server() as server:
        command = ["bot", "--background", "--room", "lobby", "--url", server.url, "--token", "t"]
        assert await asyncio.to_thread(main, command) == 0
        assert server.requests, "it had not joined"
        said = capsys.readouterr()
        assert said.err.startswith("joined lobby as bot")
        os.kill(int(said.out.removeprefix("process ")), signal.SIGTERM)
        await server.until(lambda: server.of(messages.Leave))


async def test_a_bot_that_cannot_join_in_the_background_fails(capfd: pytest.CaptureFixture[str]) -> None:
    command = ["bot", "--background", "--room", "lobby", "--url", "http://127.0.0.1:9", "--token", "t"]
    assert await asyncio.to_thread(main, command) == 1
    assert capfd.readouterr().err.startswith("loadtest: ")
