"""Pictures come in the order of their display, each with its capture time, whatever is damaged."""

import itertools
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from lab.videos import Coding, write_video
from player.flow import Packet
from player.media.address import address_of
from player.media.clock import CaptureClock
from player.media.pictures import AvPicture, Decoder
from player.media.sources import Source, open_session
from player.media.tracks import Content


def packets_of(path: Path, count: int = 1000, session: int = 0, began_s: float = 1_800_000_000.0) -> list[Packet]:
    found: list[Packet] = []
    with open_session(Source(address_of(str(path)), is_looped=count < 1000), session) as opened:
        clock = CaptureClock(is_live=False)
        clock.begin(began_s)
        for packet in opened.packets(clock):
            found.append(packet)
            if len(found) == count:
                break
    return found


def decode(decoder: Decoder, packets: list[Packet]) -> list[tuple[float, AvPicture]]:
    found = [picture for packet in packets for picture in decoder.decode(packet)]
    return found + decoder.flush()


def numbers(pictures: list[tuple[float, AvPicture]]) -> list[int]:
    """Return the numbers of pictures, by the brightness of their left quarter."""
    return [round((float(picture.luma((160, 96))[:, :40].mean()) - 20) / 10) for _, picture in pictures]


@pytest.mark.parametrize("threads", [1, 2])
def test_pictures_come_in_order_with_their_times(video: Path, threads: int) -> None:
    packets = packets_of(video)
    assert [packet.at_s for packet in packets] != sorted(packet.at_s for packet in packets)
    pictures = decode(Decoder(threads), packets)
    assert numbers(pictures) == list(range(20))
    times_s = [at_s for at_s, _ in pictures]
    assert times_s == sorted(packet.at_s for packet in packets)


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("a.avi", Coding("mjpeg", "yuvj420p", container_options={})),
        ("a.avi", Coding("libx264", ticks_per_s=10, options={"bf": "0"}, container_options={})),
        ("a.mkv", Coding("libx265", options={"x265-params": "log-level=none"}, container_options={})),
        ("a.mpg", Coding("mpeg2video", rate=25, ticks_per_s=25, options={"bf": "2", "b": "4M"}, container_options={})),
        ("a.ts", Coding("libx264", container_options={})),
        ("a.webm", Coding("libvpx-vp9", container_options={})),
    ],
)
def test_all_usual_files_are_decoded(name: str, coding: Coding, tmp_path: Path, pictures: list[Image.Image]) -> None:
    times_s = [number / 5 for number in range(20)] if name == "a.mpg" else ()
    found = decode(Decoder(), packets_of(write_video(tmp_path / name, pictures, coding, times_s)))
    assert numbers(found) == list(range(20))
    assert all(before < after for (before, _), (after, _) in itertools.pairwise(found))


def test_times_increase_across_loops_and_sessions(video: Path) -> None:
    first = packets_of(video, 50)
    second = packets_of(video, session=1, began_s=first[-1].at_s + 1)
    pictures = decode(Decoder(), first + second)
    assert numbers(pictures)[-20:] == list(range(20))
    assert len(pictures) == 70
    assert all(before < after for (before, _), (after, _) in itertools.pairwise(pictures))


def test_decoding_begins_with_a_keyframe(video: Path) -> None:
    assert numbers(decode(Decoder(), packets_of(video)[1:])) == list(range(5, 20))


def damaged(packet: Packet) -> Packet:
    """Return a packet whose bytes are noise."""
    whole = packet.content
    assert isinstance(whole, Content)
    noise: av.Packet[av.stream.Stream] = av.Packet(np.random.default_rng(1).bytes(whole.packet.size))
    noise.pts, noise.dts, noise.time_base = whole.packet.pts, whole.packet.dts, whole.packet.time_base
    return replace(packet, content=Content(noise, whole.track, whole.tracks))


@pytest.mark.parametrize("number", [0, 2, 5, 7, 19])
def test_a_damaged_packet_ends_nothing(video: Path, number: int) -> None:
    decoder = Decoder()
    packets = packets_of(video)
    packets[number] = damaged(packets[number])
    found = numbers(decode(decoder, packets))
    assert decoder.damaged
    assert found == sorted(set(found))
    following = 5 * (number // 5 + 1)
    assert found[-(20 - following) :] == list(range(following, 20)) or number == 19


def test_pictures_with_too_many_pixels_are_damaged(video: Path) -> None:
    decoder = Decoder(max_pixels=5000)
    assert decode(decoder, packets_of(video)) == []
    assert decoder.damaged


def test_sound_gives_no_pictures(video: Path) -> None:
    decoder = Decoder()
    packet = packets_of(video)[0]
    assert decoder.decode(replace(packet, media_type="audio")) == []
    assert decoder.decode(replace(packet, content=None)) == []
    assert decoder.flush() == []


def test_packets_are_not_changed_and_outlive_their_session(video: Path) -> None:
    packets = packets_of(video)
    before = [
        (bytes(packet.content.packet), packet.content.packet.pts, packet.content.packet.dts) for packet in packets
    ]
    for _ in range(2):
        assert len(decode(Decoder(), packets)) == 20
    after = [(bytes(packet.content.packet), packet.content.packet.pts, packet.content.packet.dts) for packet in packets]
    assert before == after
