"""Where a user's own code is found: beside the manifest, or in a copy shipped to this host."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

SOURCE_BYTES_MAX = 64 * 1024 * 1024
SKIPPED = {".git", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache"}


class SourceError(ValueError):
    """The user's code cannot be packed, unpacked or found."""


def pack_source(directory: str | Path) -> bytes:
    """A zip of a directory, without caches, environments and .git; same files, same bytes.

    Raises `SourceError` when it exceeds 64 MiB.
    """
    root, size, buffer = Path(directory), 0, io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(root):
            size += path.stat().st_size
            if size > SOURCE_BYTES_MAX:
                raise SourceError(f"{root}: more than {SOURCE_BYTES_MAX >> 20} MiB to ship")
            info = zipfile.ZipInfo(str(path.relative_to(root)))
            info.external_attr = (path.stat().st_mode & 0o777) << 16
            archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _files(root: Path) -> list[Path]:
    found: list[Path] = []
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in SKIPPED)
        paths = (Path(directory) / name for name in sorted(files))
        found.extend(path for path in paths if path.is_file() and not path.is_symlink())
    return found


def digest_of(packed: bytes) -> str:
    """The name of an unpacked copy."""
    return hashlib.sha256(packed).hexdigest()[:32]


def unpack_source(packed: bytes, cache: str | Path) -> Path:
    """Unpack once into CACHE/DIGEST and return it. Raises `SourceError` for a bad archive."""
    target = Path(cache) / digest_of(packed)
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            if sum(info.file_size for info in archive.infolist()) > SOURCE_BYTES_MAX:
                raise SourceError(f"more than {SOURCE_BYTES_MAX >> 20} MiB unpacked")
            for info in archive.infolist():
                extracted = archive.extract(info, unfinished)
                if mode := (info.external_attr >> 16) & 0o777:
                    os.chmod(extracted, mode)
        unfinished.rename(target)
    except zipfile.BadZipFile as error:
        raise SourceError(str(error)) from None
    except OSError:
        if not target.is_dir():  # else another pod was faster with the same code
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def find_source(source_dir: str, source_digest: str, cache: str | Path | None) -> str:
    """The directory to use on this host: the shipped copy if there is one, else the original."""
    if source_digest and cache is not None and (copy := Path(cache) / source_digest).is_dir():
        return str(copy)
    return source_dir
