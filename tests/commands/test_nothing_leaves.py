"""Every verb keeps to the folders it is given and to its cache, and never talks to a network.

A library can break that promise with any new version, so the whole process is watched from outside.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import picture_bytes

SCRIPT = Path(__file__).with_name("every_verb.py")
STRACE = shutil.which("strace")
TRACED = (
    "%network,access,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,unlink,unlinkat"
)
NO_PASSWORD_ENTRY = """
import pwd

def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

pwd.getpwuid = getpwuid
"""
WRITES = re.compile("O_CREAT|O_WRONLY|O_RDWR")
LOOKUPS = ("/etc/resolv.conf", "/etc/hosts")
"""What the C library reads before it looks a name up."""


@pytest.fixture
def here(make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    make_folder({"bird": 30, "airplane": 30})
    make_folder(
        {f"{split}/{name}": 6 for split in ("train", "test") for name in ("airplane", "bird")}, "data/cifar10"
    )
    for name in ("work/inbox", "work/second", "home", "temporary", "site"):
        (tmp_path / name).mkdir(parents=True)
    for number, name in enumerate(("inbox", "second"), 1):
        (tmp_path / "work" / name / f"{number}.png").write_bytes(picture_bytes(number))
    return tmp_path


def files_of_checkout() -> set[Path]:
    """Return what a program may write beside its code or the tests; other tools write elsewhere meanwhile."""
    top = SCRIPT.parents[2]
    paths = {*top.glob("[!.]*"), *(path for name in ("src", "tests") for path in (top / name).rglob("[!.]*"))}
    return {path for path in paths if "__pycache__" not in path.parts}


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@pytest.mark.parametrize("is_offline", [True, False])
def test_every_verb(is_offline: bool, here: Path, finished_run: Path) -> None:
    """Offline in a home; else as a user who has neither a home nor a name, as in containers."""
    told = ("XDG_", "MPL", "TORCH", "ORT")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(told)},
        "SKYSORT_CACHE": str(here / "cache"), "TMPDIR": str(here / "temporary"), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{here / 'site'}:{SCRIPT.parents[2]}",
    }  # fmt: skip
    if is_offline:
        environment |= {"SKYSORT_OFFLINE": "1", "HOME": str(here / "home")}
    else:
        (here / "site" / "sitecustomize.py").write_text(NO_PASSWORD_ENTRY)
        del environment["SKYSORT_OFFLINE"], environment["HOME"]
    words = [sys.executable, SCRIPT, finished_run, here / "pictures", here / "data", free_port()]
    trace = here / "trace"
    traced = (
        [STRACE, "-f", "-y", "--seccomp-bpf", "-s", "300", "-e", f"trace={TRACED}", "-o", trace] if STRACE else []
    )
    before = files_of_checkout()
    done = subprocess.run(
        [*traced, *words], cwd=here / "work", env=environment, capture_output=True, text=True, check=False
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert list((here / "home").iterdir()) == list((here / "temporary").iterdir()) == []
    assert before == files_of_checkout()
    if STRACE:
        allowed = (here / "work", here / "cache", here / "temporary")
        check_trace(trace.read_text(errors="replace"), here / "work", allowed)


def check_trace(trace: str, work: Path, allowed: tuple[Path, ...]) -> None:
    """Check what strace saw of a process that works in a folder; a failure's message names the verb."""
    verb = ""
    made: dict[Path, str] = {}
    for line in trace.splitlines():
        call = re.match(r"\d+ +(\w+)\(", line)
        if call is None:  # the end of a call that another thread's interrupted, or of a thread
            continue
        if mark := re.search(r'access\("/verb/(\w+)"', line):
            verb = mark[1]
        # Between processes of one computer: the C library asks its name service's cache who the user is.
        # Service and studio listen at this computer's own address, and at no other.
        allowed_families = (
            "UNIX|INET, .*127\\.0\\.0\\.1|INET, SOCK_STREAM" if verb in ("serve", "studio") else "UNIX"
        )
        is_local = call[1] != "socket" or re.search(rf"\(AF_({allowed_families})", line)
        assert is_local and not re.search(f"sa_family=AF_(?!{allowed_families})", line), f"{verb}: {line}"
        assert not any(f'"{name}"' in line for name in LOOKUPS), f"{verb}: {line}"
        named = re.findall(r'(?:<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', line)
        paths = [Path(folder or work, name) for folder, name in named]
        if " = -1 " in line or not paths:
            continue
        if call[1].startswith(("unlink", "rename")):
            made.pop(paths[0], None)
        if call[1].startswith(("creat", "mkdir", "rename", "link", "symlink")) or WRITES.search(line):
            made[paths[-1]] = f"{verb}: {line}"
    devices = (Path("/dev/null"), Path("/dev/tty"), Path("/proc/self"))
    left = [line for path, line in made.items() if not any(map(path.is_relative_to, (*allowed, *devices)))]
    assert verb and made and not left, left
