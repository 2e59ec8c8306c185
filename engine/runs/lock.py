"""One writer a run: a lock that the system takes away from whoever dies.

The file `.lock` in the run folder is held with flock for as long as the writer lives. A killed writer's lock is gone
with it, whatever the file still says. Some network file systems know no locks: there everybody gets one, and two
writers would do the same parts twice, to the same result (docs/scale.md).
"""

import errno
import fcntl
import os
import socket
import time
from pathlib import Path
from typing import IO

from turncoat.kernels.errors import ConfigError

NAME = ".lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class RunLock:
    """The right to write in a run folder; `release` or the end of the process gives it back.

    Attributes:
        real: whether the file system knows locks, so that nobody else holds one.
    """

    def __init__(self, path: Path, file: IO[str], real: bool) -> None:
        self._path, self._file, self.real = path, file, real

    @classmethod
    def take(cls, folder: Path) -> "RunLock":
        """Take the lock of a run folder, at once.

        Raises:
            ConfigError: another process holds it, or no file can be written in the folder.
        """
        path = folder / NAME
        while True:
            try:
                file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (held open: closing it gives the lock back)
            except OSError as error:
                raise ConfigError(f"The run folder {folder} cannot be written: {error.strerror}.") from error
            try:
                _lock(file)
            except BlockingIOError as error:
                raise ConfigError(
                    f"{folder} is being written by another sweep{_holder(file)}; wait until it is done, or choose "
                    "another folder."
                ) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                return cls(path, file, real=False)
            if _is_there(path, file):
                break
            file.close()  # its holder was done, and removed the file, between our opening and our locking it
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        return cls(path, file, real=True)

    @staticmethod
    def is_held(folder: Path) -> bool:
        """Whether a process that lives is writing in a run folder; False where the file system knows no locks."""
        try:
            with open(folder / NAME, encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no such file, or no locks
            return False
        return False

    def release(self) -> None:
        """Give the lock back; a second time does nothing."""
        if self._file.closed:
            return
        if self.real:
            self._path.unlink(missing_ok=True)  # while it is held: nobody can have taken this very file
        self._file.close()


def _lock(file: IO[str]) -> None:
    """Lock it for ourselves alone; a moment later again, in case that somebody only looked (`RunLock.is_held`)."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(0.05)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(file: IO[str]) -> str:
    file.seek(0)
    text = file.read().strip()
    file.close()
    return f" ({text})" if text else ""


def _is_there(path: Path, file: IO[str]) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        found, held = os.stat(path), os.fstat(file.fileno())
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)
