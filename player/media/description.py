"""A description of a session's streams, in the Session Description Protocol (RFC 8866)."""

from collections.abc import Iterable

from player.media.tracks import Track

PAYLOADS = {
    "h264": ("96", "H264/90000"),
    "hevc": ("96", "H265/90000"),
    "mpeg4": ("96", "MP4V-ES/90000"),
    "mjpeg": ("26", "JPEG/90000"),
    "aac": ("97", "MPEG4-GENERIC/{rate}"),
    "pcm_alaw": ("8", "PCMA/8000"),
    "pcm_mulaw": ("0", "PCMU/8000"),
    "opus": ("97", "opus/48000/2"),
}
"""FFmpeg's name of a codec → the payload type of RTP, and the encoding's registered name and clock rate."""


def describe(tracks: Iterable[Track]) -> str:
    """Return a description of tracks; ports and addresses are 0, since they are not known."""
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "c=IN IP4 0.0.0.0", "t=0 0"]
    for track in tracks:
        payload, encoding = PAYLOADS.get(track.codec, ("98", f"X-{track.codec}/90000"))
        lines.append(f"m={track.media_type} 0 RTP/AVP {payload}")
        lines.append(f"a=rtpmap:{payload} {encoding.format(rate=int(track.rate))}")
        if track.media_type == "video":
            lines.append(f"a=framesize:{payload} {track.size_wh[0]}-{track.size_wh[1]}")
            if track.rate:
                lines.append(f"a=framerate:{track.rate:g}")
    return "\r\n".join(lines) + "\r\n"
