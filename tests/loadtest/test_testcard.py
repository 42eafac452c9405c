"""The test card is read as drawn, through sizes and codecs; other pictures are not read."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext

from loadtest import sources, testcard, tone
from loadtest.received import Received
from loadtest.recorder import png
from sfu.model import Kind, Source
from sfu.views import TrackInfo

INFO = TrackInfo("TR_1", Kind.VIDEO, Source.CAMERA)


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (320, 180), (80, 46), (360, 640)])
def test_a_card_is_read_at_any_size(size: tuple[int, int]) -> None:
    for card, counter in ((0, 0), (1, 1), (7, 63), (170, 0xABCD), (255, 0xFFFF)):
        assert testcard.read(testcard.draw(card, counter, *size)) == testcard.Reading(card, counter)


def test_a_card_is_read_after_scaling_down_to_a_sixteenth() -> None:
    frame = testcard.draw(42, 1234, 1280, 720).reformat(width=80, height=44)
    assert testcard.read(frame) == testcard.Reading(42, 1234)


def test_a_card_is_read_after_a_poor_encoder() -> None:
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.bit_rate = 320, 180, "yuv420p", 60_000
    encoder.time_base = Fraction(1, 15)
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    decoder = av.CodecContext.create("vp8", "r")
    assert isinstance(decoder, VideoCodecContext)
    read = []
    for counter in range(30):
        frame = testcard.draw(9, counter, 320, 180)
        frame.pts, frame.time_base = counter, Fraction(1, 15)
        for packet in encoder.encode(frame):
            read += [testcard.read(decoded) for decoded in decoder.decode(packet)]
    good = [reading for reading in read if reading is not None]
    assert len(good) >= 25 and all(reading.card == 9 for reading in good)
    assert [reading.counter for reading in good] == sorted({reading.counter for reading in good})


@pytest.mark.parametrize("level", [0, 16, 125, 235, 255])
def test_an_even_picture_is_no_card(level: int) -> None:
    picture = np.full((270, 320), level, dtype=np.uint8)
    assert testcard.read(VideoFrame.from_ndarray(picture, format="yuv420p")) is None


def test_a_card_whose_halves_belong_to_two_frames_is_not_read() -> None:
    upper = testcard.draw(3, 10, 320, 180).to_ndarray()
    lower = testcard.draw(3, 40, 320, 180).to_ndarray()
    upper[135:180] = lower[135:180]
    assert testcard.read(VideoFrame.from_ndarray(upper, format="yuv420p")) is None


def test_what_is_received_counts_progress_and_steps_back() -> None:
    received = Received("ada", INFO)
    for counter in (0xFFFE, 0xFFFF, 0, 5, 5, 3):
        received.handle_video(testcard.draw(8, counter, 320, 180))
    received.handle_video(VideoFrame.from_ndarray(np.full((270, 320), 16, dtype=np.uint8), format="yuv420p"))
    assert (received.frames, received.advanced, received.went_back, received.unreadable) == (7, 3, 1, 1)
    assert received.cards == {8: 6} and received.sizes == {(320, 180): 7}


@pytest.mark.parametrize("card", [0, 1, 7, 63])
def test_the_tone_of_a_card_is_heard_and_that_of_its_neighbour_is_not(card: int) -> None:
    received = Received("ada", TrackInfo("TR_2", Kind.AUDIO, Source.MICROPHONE))
    for n in range(10):
        received.handle_audio(tone.play(card, n * tone.SAMPLES))
    assert received.hears(card) and not received.hears(card + 1)


def test_silence_has_no_pitch() -> None:
    assert tone.pitch(np.zeros(tone.WINDOW, dtype=np.int16)) is None


async def test_a_card_plays_in_real_time_and_skips_what_it_was_too_late_for() -> None:
    source = sources.card(4, fps=100)
    assert source.video is not None
    frames = [await source.video.recv() for _ in range(4)]
    source.video._began -= 1.0  # type: ignore[attr-defined]
    frames.append(await source.video.recv())
    counters = [reading.counter for frame in frames if (reading := testcard.read(frame)) is not None]
    assert counters[:4] == [0, 1, 2, 3] and counters[4] >= 100
    source.stop()


def test_a_picture_is_recorded_as_a_png_that_shows_it() -> None:
    encoded = png(testcard.draw(5, 77, 320, 180))
    assert encoded.startswith(b"\x89PNG")
    decoder = av.CodecContext.create("png", "r")
    assert isinstance(decoder, VideoCodecContext)
    (decoded,) = decoder.decode(av.Packet(encoded))
    assert testcard.read(decoded) == testcard.Reading(5, 77)
