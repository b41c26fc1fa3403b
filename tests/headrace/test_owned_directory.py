"""A directory has one owner at a time, and none once its process has ended."""

import os
import subprocess
import sys
from pathlib import Path

from headrace.owned_directory import OwnedDirectory

HOLD = """
import sys
from pathlib import Path
from headrace.owned_directory import OwnedDirectory
held = OwnedDirectory(Path(sys.argv[1]), "lock")
print(held.claim(), flush=True)
sys.stdin.read()
"""


def test_two_objects_never_hold_it_together_and_the_holder_may_claim_again(tmp_path: Path) -> None:
    first, second = OwnedDirectory(tmp_path, "lock"), OwnedDirectory(tmp_path, "lock")
    assert first.holder() is None
    assert first.claim()
    assert first.claim()
    assert not second.claim()
    assert second.holder() == os.getpid()
    first.release()
    assert second.holder() is None
    assert second.claim()
    second.release()


def test_a_killed_holder_frees_the_directory(tmp_path: Path) -> None:
    ours = OwnedDirectory(tmp_path, "lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        assert not ours.claim()
        assert ours.holder() == other.pid
        other.kill()
        other.wait()
        assert ours.claim()
    ours.release()
