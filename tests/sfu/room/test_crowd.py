"""After random acts in a room, the state of the plane and the requests to publishers match what participants want."""

import random
from dataclasses import replace
from typing import Any

import pytest

from sfu.model import Kind, Quality
from sfu.plane import AudioLevels, Layer
from sfu.signalling import messages

from ..scene import Client, Scene, scene
from .test_demand import arriving

STEPS = 120


class Crowd:
    """People who do something at random, one step after another."""

    def __init__(self, it: Scene, chance: random.Random) -> None:
        self.it = it
        self.chance = chance
        self.people: list[Client] = []
        self.number = 0

    async def step(self) -> None:
        steps = [self.join, self.publish, self.publish, self.leave, self.mute, self.change_room]
        steps += [self.look, self.look, self.look, self.subscribe, self.arrive, self.speak, self.hide, self.switch]
        await self.chance.choice(steps)()

    async def join(self) -> None:
        if len(self.people) >= 6:
            return
        self.number += 1
        one = await self.it.client(f"p{self.number}")
        one.codecs = self.chance.choice((("VP8",), ("VP8", "VP9")))
        self.people.append(one)
        await one.connect(*["video recvonly"] * self.chance.randrange(1, 4), "audio recvonly", "audio recvonly")

    async def leave(self) -> None:
        if len(self.people) > 2:
            gone = self.people.pop(self.chance.randrange(len(self.people)))
            await gone.session.handle(messages.Leave("leave"))

    async def publish(self) -> None:
        one = self.somebody()
        if one is not None and len(one.participant.tracks) < 3:
            await self.chance.choice((one.camera, one.microphone))(width=1280, height=720)

    async def mute(self) -> None:
        one, track = self.somebodys_track()
        if one is not None:
            await one.ask(messages.Mute, track=track, muted=self.chance.random() < 0.5)

    async def change_room(self) -> None:
        if self.people:
            stage = tuple(f"p{self.chance.randrange(1, 9)}" for _ in range(self.chance.randrange(2)))
            self.people[0].room.update(last_n=self.chance.choice((0, 0, 1, 2)), on_stage=stage)

    async def look(self) -> None:
        viewer, (_, track) = self.somebody(), self.somebodys_track()
        if viewer is not None:
            fields: dict[str, Any] = {
                "visible": self.chance.random() < 0.6,
                "height": self.chance.choice((0, 180, 360)),
            }
            if self.chance.random() < 0.3:
                fields["quality"] = self.chance.choice(list(Quality))
            await viewer.ask(messages.Settings, track=track, **fields)

    async def subscribe(self) -> None:
        viewer, (_, track) = self.somebody(), self.somebodys_track()
        if viewer is not None:
            await viewer.ask(messages.Subscribe, tracks=(track,), on=self.chance.random() < 0.7)

    async def arrive(self) -> None:
        one, track = self.somebodys_track()
        if one is not None:
            is_sound = one.participant.tracks[track].kind is Kind.AUDIO
            codec = "opus" if is_sound else self.chance.choice(("vp8", "vp9"))
            await self.it.say(arriving(one.plane_track(track), self.chance.randrange(1, 4), codec=codec))

    async def speak(self) -> None:
        """Until it is the dominant speaker, or silence."""
        one, track = self.somebodys_track()
        if one is not None and one.participant.tracks[track].kind is Kind.AUDIO:
            for beat in range(10):
                self.it.clock.now += 0.1
                await self.it.say(AudioLevels([(one.plane_track(track), bytes([18 if beat else 127] * 5))]))

    async def switch(self) -> None:
        """The plane says what leaves through a slot."""
        one = self.somebody()
        mids = [mid for mid, sid in one.shows().items() if sid is not None] if one is not None else []
        if one is not None and mids:
            layer = self.chance.choice((None, Layer(0, 0), Layer(1, 1)))
            cause = self.chance.choice(("none", "paused", "publisher", "loss"))
            await self.it.say(one.switched(self.chance.choice(mids), layer, cause))  # type: ignore[arg-type]

    async def hide(self) -> None:
        one = self.somebody()
        if one is not None:
            participant = one.participant
            await one.change(permissions=replace(participant.permissions, hidden=self.chance.random() < 0.3))

    def somebody(self) -> Client | None:
        return self.chance.choice(self.people) if self.people else None

    def somebodys_track(self) -> tuple[Client | None, str]:
        tracks = [(one, sid) for one in self.people for sid in one.participant.tracks]
        return self.chance.choice(tracks) if tracks else (None, "TR_nothing")

    def check(self) -> None:
        for one in self.people:
            one.heard()
            self.check_what_it_is_shown(one)
        if self.people:
            self.check_what_is_asked(self.people[0])

    def check_what_it_is_shown(self, one: Client) -> None:
        stage, viewing = one.room.forwarding, one.participant.viewing
        shown = {mid: sid for mid, sid in one.shows().items() if sid is not None}
        assert len(set(shown.values())) == len(shown), "a track is shown once"
        assert {mid: info.track for mid, info in viewing.shown().items() if info} == shown, "as it was told"
        for mid, sid in shown.items():
            track, wish = stage.tracks[sid], viewing.wishes.of(stage.tracks[sid])
            assert track.owner != one.sid and viewing.wishes.wants(track)
            is_seen = track.kind is Kind.AUDIO or wish.visible
            assert bool(one.ladder(mid)) == (is_seen and wish.quality is not Quality.OFF and not track.is_muted)
        wanted = [t for t in stage.overview.visible_to(one.participant) if viewing.wishes.wants(t)]
        videos = [track for track in wanted if track.kind is Kind.VIDEO]
        sections = sum(1 for kind in one.participant.transport.kinds.values() if kind is Kind.VIDEO)
        room = one.room.options.last_n or len(videos)
        pictures = [stage.tracks[sid] for sid in shown.values() if stage.tracks[sid].kind is Kind.VIDEO]
        assert len(pictures) == min(len(videos), sections, room), "no section is empty while something is wanted"
        unseen = [track for track in pictures if track.sid in viewing.wishes.unseen]
        waiting = [t for t in videos if t not in pictures and t.sid not in viewing.wishes.unseen]
        assert not (unseen and waiting), "nothing out of sight takes the place of what is in sight"

    def check_what_is_asked(self, one: Client) -> None:
        # A mute empties the ladders, and changes nothing of what is asked for. Who cannot decode it asks for nothing.
        heard = {sid: track for sid, track in one.room.forwarding.tracks.items() if not track.is_muted}
        best: dict[str, dict[str, Any]] = {sid: {} for sid in heard}
        for viewer in self.people:
            for mid, sid in viewer.shows().items():
                codecs = ("", "OPUS", *viewer.codecs)
                if sid in heard and heard[sid].codec.upper() in codecs and viewer.ladder(mid):
                    best[sid][viewer.sid] = max(viewer.ladder(mid))
        asked = {
            sid: {viewer: (at.spatial, at.temporal) for viewer, at in track.asked.items()}
            for sid, track in heard.items()
        }
        assert asked == best


@pytest.mark.parametrize("seed", range(12))
async def test_what_the_plane_was_told_is_what_people_want(seed: int) -> None:
    async with scene() as it:
        crowd = Crowd(it, random.Random(seed))
        for _ in range(STEPS):
            await crowd.step()
            await it.pass_time(0)
            crowd.check()
