"""Copies what a virtual environment needs into an empty root: interpreter, standard library, shared libraries.

Usage: python3 runtime_root.py VENV ROOT, run by the interpreter that VENV was made with; glibc must be 2.34 or newer.
The Dockerfile's last stage is this root and the environment, so that it holds no shell, no package manager and nothing
setuid, even if the base image does. With a base of Debian packages, ROOT/var/lib/dpkg/status lists those whose files
are in it, for image scanners, and their copyright files are copied too.
"""

import compileall
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path
from py_compile import PycInvalidationMode

UNUSED = (
    "__pycache__", "config-*", "*-packages", "ensurepip", "idlelib", "lib2to3", "macholib", "pydoc_data", "test",
    "turtledemo", "venv", "tkinter", "_tkinter*", "curses", "_curses*", "readline*", "dbm", "_dbm*", "_gdbm*", "nis*",
    "_test*", "*_test.*", "xx*",
)  # fmt: skip
"""Parts of the standard library's folder that no service needs: pip in several forms, windows, terminals, tests."""
LOADER_CACHE = Path("/etc/ld.so.cache")
RELEASE = Path("/etc/os-release")

_LIBRARY = re.compile(r"(?:=>|^)\s+(/\S+) \(0x", re.MULTILINE)
_OWNER = re.compile(r"^(\S+(?:, \S+)*): /", re.MULTILINE)


def main(arguments: Sequence[str]) -> None:
    """Fill the root."""
    venv, root = (Path(argument).absolute() for argument in arguments)
    interpreter = interpreter_of(venv)
    folders = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    for folder in folders:
        copy_library(folder, within(root, folder), root)
    libraries = shared_libraries([interpreter, *objects(venv), *objects(root)])
    files = [interpreter, *(path for path in libraries if not path.is_relative_to(venv))]
    for file in (*files, *(path for path in (LOADER_CACHE, RELEASE) if path.exists())):
        copy(file, root)
    if shutil.which("dpkg-query"):
        describe_packages([*files, *folders], root)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


def interpreter_of(venv: Path) -> Path:
    """Return the first path outside the environment that its python links lead to."""
    path = venv / "bin" / "python"
    while path.is_relative_to(venv):
        path = path.parent / path.readlink()
    return path


def copy_library(folder: Path, target: Path, root: Path) -> None:
    """Copy the standard library, with byte code that is never checked against the sources: the root is read-only."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*UNUSED), ignore_dangling_symlinks=True)
    unchecked = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(target, stripdir=root, prependdir="/", quiet=1, invalidation_mode=unchecked)


def objects(folder: Path) -> list[Path]:
    """Return the shared objects below a folder."""
    return sorted(path for path in folder.rglob("*.so*") if path.is_file())


def shared_libraries(files: Iterable[Path]) -> list[Path]:
    """Return the libraries and the loader that these files need, by the paths at which the loader looks for them."""
    libraries = sorted({Path(path) for path in _LIBRARY.findall(output_of("ldd", *files))})
    if not libraries:
        raise SystemExit("ldd found no library that the interpreter needs.")
    return libraries


def output_of(*command: str | Path) -> str:
    """Return the output of a program; ignore its exit status: ldd and dpkg-query fail if they do not know one file."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def within(root: Path, path: Path) -> Path:
    """Return where a path of this machine lies in the root."""
    return root / path.relative_to("/")


def copy(file: Path, root: Path) -> None:
    """Copy a file, or what a link leads to, to the same path in the root."""
    target = within(root, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)


def describe_packages(files: Sequence[Path], root: Path) -> None:
    """Record which Debian packages the files belong to, and copy their copyright files."""
    # dpkg may list a file by its path before or after /lib became a link to /usr/lib
    paths = {str(name) for file in files for name in (file, file.resolve(), usr_less(file.resolve()))}
    searched = output_of("dpkg-query", "--search", *paths)
    owners = sorted({name for line in _OWNER.findall(searched) for name in line.split(", ")})
    if not owners:
        return
    status = within(root, Path("/var/lib/dpkg/status"))
    status.parent.mkdir(parents=True)
    status.write_text(output_of("dpkg-query", "--status", *owners), encoding="utf-8")
    for owner in owners:
        copyright_file = Path("/usr/share/doc") / owner.partition(":")[0] / "copyright"
        if copyright_file.exists():
            copy(copyright_file, root)


def usr_less(path: Path) -> Path:
    """Return the path without a leading /usr."""
    return Path("/") / path.relative_to("/usr") if path.is_relative_to("/usr") else path


if __name__ == "__main__":
    main(sys.argv[1:])
