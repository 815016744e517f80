"""Build the container image without a container engine: `python tools/image.py FOLDER`.

FOLDER becomes an OCI image layout with one image for this machine's architecture, tagged with the version: no
shell, no package manager, only Debian's Python with its libraries, the locked packages, and authfactor.
Everything is installed below a temporary directory and packed in a fixed order with the time of
SOURCE_DATE_EPOCH, so the same packages and sources give the same digest. Needs root and
Debian's mmdebstrap and binutils.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]

SUITE: Final = "trixie"
PYTHON: Final = "3.13"
PACKAGES: Final = (
    *("base-files", "libc6", "libgcc-s1", "libstdc++6", "netbase", "tzdata"),
    *(f"libpython{PYTHON}-stdlib", f"python{PYTHON}-minimal"),
)
# Not needed to run, or about the machine that built it (the addresses under etc/apt).
REMOVED: Final = (
    *("etc/apt", "etc/dpkg", "etc/hostname", "etc/resolv.conf", "etc/machine-id", "root"),
    *(
        "usr/lib/*/gconv",
        "usr/lib/*/perl*",
        "usr/share/perl*",
        "usr/lib/apt",
        "usr/lib/dpkg",
        "usr/lib/systemd",
    ),
    *("usr/share/bug", "usr/share/doc", "usr/share/doc-base", "usr/share/info", "usr/share/lintian"),
    *("usr/share/locale", "usr/share/man", "usr/share/pixmaps", "usr/share/menu", "usr/share/applications"),
    *("var/backups", "var/cache", "var/lib/apt", "var/lib/dpkg/info", "var/lib/dpkg/*-old", "var/log"),
)
SITE: Final = f"usr/local/lib/python{PYTHON}/dist-packages"
STATE: Final = "var/lib/authfactor"
UID: Final = 10001
PROGRAM: Final = f"#!/usr/bin/python{PYTHON}\nfrom authfactor.cli import main\n\nmain()\n"
ACCOUNTS: Final = {
    "etc/passwd": "root:x:0:0:root:/:/nonexistent\nauthfactor:x:{0}:{0}::/{1}:/nonexistent\n",
    "etc/group": "root:x:0:\nauthfactor:x:{0}:\n",
}
# Architectures by this machine's name for them: OCI's, the loader, and the platform of the wheels.
ARCHITECTURES: Final = {
    "x86_64": ("amd64", "usr/lib64/ld-linux-x86-64.so.2", "x86_64-manylinux_2_36"),
    "aarch64": ("arm64", "usr/lib/ld-linux-aarch64.so.1", "aarch64-manylinux_2_36"),
}


def run(*command: str | Path, **environment: str) -> None:
    """Run a command; its output is shown only if it fails."""
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"image: {command[0]} failed\n{done.stdout}{done.stderr}")


def install_system(root: Path) -> None:
    """Extract Debian's packages into an empty directory."""
    archive = root.with_suffix(".tar")
    run(
        *("mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}"),
        *(SUITE, archive),
    )
    with tarfile.open(archive) as packed:
        packed.extractall(root, filter="tar")
    archive.unlink()
    for pattern in REMOVED:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    (root / "usr/bin/python3").symlink_to(f"python{PYTHON}")
    for name, text in ACCOUNTS.items():
        (root / name).write_text(text.format(UID, STATE))


def install_program(root: Path, wheels: str, work: Path) -> None:
    """Install the locked packages and authfactor into an empty directory."""
    site = root / SITE
    run(
        *(
            Path(sys.executable).parent / "uv",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--link-mode",
            "copy",
        ),
        *("--target", site, "--python-version", PYTHON, "--python-platform", wheels),
        *("--only-binary", ":all:", "--require-hashes", "-r", ROOT / "requirements/postgres.lock"),
    )
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", work / "wheel")
    (wheel,) = (work / "wheel").iterdir()
    with zipfile.ZipFile(wheel) as packed:
        for name in packed.namelist():
            if ".data/" not in name:
                packed.extract(name, site)
    # Scripts and records name the Python that installed them.
    shutil.rmtree(site / "bin", ignore_errors=True)
    for path in [*site.glob("*.dist-info/RECORD"), *site.glob(".lock")]:
        path.unlink()
    # Symbols for a debugger: a fifth of the image.
    run("strip", "--strip-debug", *sorted(site.rglob("*.so")))
    program = root / "usr/local/bin/authfactor"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    (root / STATE).mkdir(parents=True)


def compile_modules(system: Path, root: Path, folder: str, loader: str) -> None:
    """Compile the modules below `root/folder` with the Python of `system`, which this machine can run."""
    libraries = [str(path) for path in (system / "usr/lib").glob("*-linux-gnu")]
    run(
        *(system / loader, "--library-path", ":".join(libraries), system / f"usr/bin/python{PYTHON}"),
        *("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", root, "-p", "/", root / folder),
        PYTHONHOME=str(system / "usr"),
        PYTHONHASHSEED="0",
        PYTHONDONTWRITEBYTECODE="1",
    )


def layer_of(root: Path, seconds: int) -> bytes:
    """Return a directory as a tar archive: sorted, owned by root except for the state, and without times."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            entry = archive.gettarinfo(path, name)
            entry.uid = entry.gid = UID if name == STATE else 0
            entry.uname = entry.gname = ""
            entry.mtime = seconds
            if entry.isdir():
                entry.mode = {STATE: 0o700, "tmp": 0o1777}.get(name, 0o755)
            if entry.isreg():
                with path.open("rb") as content:
                    archive.addfile(entry, content)
            else:
                archive.addfile(entry)
    return stream.getvalue()


def config(architecture: str, version: str, created: str, layers: list[bytes]) -> dict[str, Any]:
    """Return the image's configuration."""
    return {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {
            "User": f"{UID}:{UID}",
            "Env": [
                "PATH=/usr/local/bin:/usr/bin",
                "PYTHONDONTWRITEBYTECODE=1",
                f"SSL_CERT_FILE=/{SITE}/certifi/cacert.pem",
                "AUTHFACTOR_HOST=0.0.0.0",
                "AUTHFACTOR_PORT=8080",
                f"AUTHFACTOR_DATA=/{STATE}",
                "AUTHFACTOR_LOG_FORMAT=json",
            ],
            "Entrypoint": ["authfactor"],
            "Cmd": ["serve"],
            "ExposedPorts": {"8080/tcp": {}},
            "Volumes": {f"/{STATE}": {}},
            "WorkingDir": f"/{STATE}",
            "StopSignal": "SIGTERM",
            # Not in the OCI specification; engines that know it use it, others ignore it.
            "Healthcheck": {
                "Test": ["CMD", "authfactor", "ready"],
                "Interval": 10_000_000_000,
                "Timeout": 3_000_000_000,
                "StartPeriod": 30_000_000_000,
            },
            "Labels": {
                "org.opencontainers.image.title": "authfactor",
                "org.opencontainers.image.description": "Self-hosted multi-factor authentication",
                "org.opencontainers.image.licenses": "MIT",
                "org.opencontainers.image.version": version,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer)}" for layer in layers]},
        "history": [
            {"created": created, "created_by": about}
            for about in (f"Debian {SUITE}, Python {PYTHON}", f"authfactor {version}")
        ],
    }


def digest(content: bytes) -> str:
    """Return the SHA-256 of content in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def write_layout(folder: Path, about: dict[str, Any], layers: list[bytes], version: str) -> str:
    """Write an OCI image layout, and return the digest of its manifest."""
    shutil.rmtree(folder, ignore_errors=True)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(content: bytes, kind: str) -> dict[str, Any]:
        name = digest(content)
        (blobs / name).write_bytes(content)
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": f"sha256:{name}",
            "size": len(content),
        }

    def encoded(document: dict[str, Any]) -> bytes:
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add(encoded(about), "config.v1+json"),
        "layers": [
            add(gzip.compress(layer, compresslevel=6, mtime=0), "layer.v1.tar+gzip") for layer in layers
        ],
    }
    described = add(encoded(manifest), "manifest.v1+json")
    described |= {
        "platform": {"architecture": about["architecture"], "os": about["os"]},
        "annotations": {"org.opencontainers.image.ref.name": version},
    }
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [described],
    }
    (folder / "index.json").write_bytes(encoded(index))
    (folder / "oci-layout").write_bytes(encoded({"imageLayoutVersion": "1.0.0"}))
    return str(described["digest"])


def build(folder: Path, work: Path) -> str:
    """Build the image below `work`, write it to `folder`, and return its digest."""
    seconds = int(os.environ.setdefault("SOURCE_DATE_EPOCH", "1735689600"))
    architecture, loader, wheels = ARCHITECTURES[platform.machine()]
    text = (ROOT / "src/authfactor/version.py").read_text(encoding="utf-8")
    version = text.rpartition("= ")[2].strip().strip('"')
    system, program = work / "system", work / "program"
    for each in (system, program):
        each.mkdir()
    install_system(system)
    install_program(program, wheels, work)
    compile_modules(system, system, f"usr/lib/python{PYTHON}", loader)
    compile_modules(system, program, SITE, loader)
    layers = [layer_of(system, seconds), layer_of(program, seconds)]
    created = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = config(architecture, version, created, layers)
    return write_layout(folder, about, layers, version)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to write the image layout")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="authfactor-image-") as work:
        os.chdir(ROOT)
        named = build(chosen.folder.resolve(), Path(work))
    size = sum(path.stat().st_size for path in chosen.folder.rglob("*") if path.is_file())
    print(f"image: {chosen.folder} {named} {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
