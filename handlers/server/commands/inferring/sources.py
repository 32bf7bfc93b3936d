"""What `framehook infer` is called with → files → frames."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handlers.errors import ConfigurationError, EdgeError
from handlers.server.commands.offline import read_picture, refuse_irregular
from handlers.server.settings import Settings
from models.extras import how_to_install
from models.frame import Body, RawLayout

PICTURES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
VIDEOS = {".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm"}


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file. One that is named twice is two sources."""

    path: Path

    @property
    def is_video(self) -> bool:
        """Return whether the file's name is that of a video."""
        return self.path.suffix.lower() in VIDEOS

    def __str__(self) -> str:
        """Return the path, with U+FFFD in place of bytes that are no UTF-8."""
        return os.fsencode(self.path).decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of a source.

    `layout`: None for a picture. `number`, `time_s`, `frame_count`: of a video's frame, as VideoFrame and Video have
    them. `error`: why the source has no more frames; then there are no pixels.
    """

    source: Source
    body: Body = b""
    layout: RawLayout | None = None
    number: int | None = None
    time_s: float | None = None
    frame_count: int | None = None
    error: OSError | EdgeError | ConfigurationError | None = None


def find_files(arguments: Sequence[Path]) -> list[Source]:
    """Return the files named, those of folders, and those that match patterns.

    Of folders and patterns only pictures and videos, sorted, and none that is hidden. Raises ConfigurationError for one
    without any.
    """
    return [Source(path) for argument in arguments for path in _files_of(argument)]


def _files_of(argument: Path) -> list[Path]:
    if os.path.isdir(argument):  # noqa: PTH112  # Path.is_dir raises errors
        root, pattern = argument, "*"
    elif glob.has_magic(str(argument)) and not os.path.lexists(argument):
        root, pattern = _split(argument)
    else:
        return [argument]
    try:
        found = sorted(path for path in root.glob(pattern) if _is_wanted(path, root))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{argument}: {error}.") from error
    if not found:
        what = "is a folder without pictures and videos" if root == argument else "matches no picture and no video"
        raise ConfigurationError(f"{argument} {what} ({' '.join(sorted(PICTURES | VIDEOS))}).")
    return found


def _split(argument: Path) -> tuple[Path, str]:
    """Return the folder before the first part with a wildcard, and the rest; `**` at the end means all files."""
    first = next(index for index, part in enumerate(argument.parts) if glob.has_magic(part))
    pattern = str(Path(*argument.parts[first:]))
    return Path(*argument.parts[:first]), f"{pattern}/*" if pattern.endswith("**") else pattern


def _is_wanted(path: Path, root: Path) -> bool:
    is_hidden = any(part.startswith(".") and part != ".." for part in path.relative_to(root).parts)
    return not is_hidden and path.suffix.lower() in PICTURES | VIDEOS and path.is_file()


def read_shots(sources: Sequence[Source], settings: Settings, rate: float | None) -> Iterator[Shot]:
    """Yield the frames of all files, in order; of a file that cannot be read, one with an error at the end."""
    for source in sources:
        try:
            if source.is_video:
                yield from _frames_of(source, settings.max_pixels, rate)
            else:
                yield Shot(source, read_picture(source.path, settings.max_body_bytes))
        except (OSError, EdgeError, ConfigurationError) as error:
            yield Shot(source, error=error)


def _frames_of(source: Source, max_pixels: int, rate: float | None) -> Iterator[Shot]:
    try:
        from handlers.server.commands.inferring.video import open_video  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigurationError(f"Reading a video needs PyAV: {how_to_install('video')}.") from error
    refuse_irregular(source.path)
    with open_video(source.path, max_pixels) as video:
        for frame in video.frames(rate):
            yield Shot(source, frame.body, frame.layout, frame.number, frame.time_s, video.frame_count)
