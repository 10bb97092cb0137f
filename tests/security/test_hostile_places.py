"""Archives, pipes, devices, links, names and servers made to harm, through commands."""

from __future__ import annotations

import contextlib
import http.server
import os
import resource
import stat
import struct
import threading
import zipfile
from pathlib import Path

import pytest

SUFFIXES = (".cif", ".traj", ".db", ".json", ".csv", ".jsonl", ".zip", ".mson.gz")


def write_zip(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def link(name):
    """Return a member that is a link."""
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def overlapping(path, cif):
    """Write an archive whose directory names one file many times."""
    write_zip(path, {f"{k:03d}.cif": cif for k in range(200)})
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    names = [content.index(b"PK\x03\x04", k) for k in (0, 1)]
    size = names[1] - names[0]
    end = bytearray(content[content.index(b"PK\x05\x06") :])
    entry = bytearray(content[start : content.index(b"PK\x01\x02", start + 1)])
    entry[42:46] = struct.pack("<L", 0)
    entries = b"".join(entry.replace(b"000.cif", b"%03d.cif" % k) for k in range(200))
    end[16:20] = struct.pack("<L", size)
    end[12:16] = struct.pack("<L", len(entries))
    path.write_bytes(content[:size] + entries + bytes(end))
    return path


def test_hostile_archives_cost_themselves_alone(tmp_path, good, predict):
    cif = good.read_text()
    large = "data_a\n" + "0 " * 2**24
    archives = [
        write_zip(tmp_path / "a.zip", {"../up.cif": cif}),
        write_zip(tmp_path / "b.zip", {"/root.cif": cif}),
        write_zip(tmp_path / "c.zip", {"C:\\disk.cif": cif}),
        write_zip(tmp_path / "d.zip", {link("link.cif"): "/etc/passwd"}),
        write_zip(tmp_path / "e.zip", {"x.cif": large}),
        write_zip(tmp_path / "f.zip", {"x.csv": "file\n" + "\n" * 2**24}),
        overlapping(tmp_path / "g.zip", cif),
        write_zip(tmp_path / "h.zip", {"in.zip": b"PK"}),
        write_zip(tmp_path / "i.zip", {}),
        write_zip(tmp_path / "j.zip", {"x.traj": b"- of Ulm" + b"\xff" * 99}),
        write_zip(tmp_path / "k.zip", {"x.db": b"SQLite format 3\0" * 99}),
    ]
    (tmp_path / "l.zip").write_bytes(archives[0].read_bytes()[:-30])
    archives += [tmp_path / "l.zip"]
    predicted = predict(good, *archives)
    assert predicted.ids == {"good"}
    assert len(predicted.reasons) == len(archives)
    assert not (tmp_path.parent / "up.cif").exists()


def test_member_too_large_for_an_archive_costs_itself_alone(tmp_path, good, predict):
    cif = good.read_text()
    lines = b"# \xc3\xa9" + os.urandom(2**16).hex().encode() + b"\n"
    large = cif.encode() + lines * (2**26 // len(lines) + 1)
    path = write_zip(
        tmp_path / "a.zip", {"ok.cif": cif, "x.vasp": large}, zipfile.ZIP_STORED
    )
    predicted = predict(path)
    assert predicted.ids == {"ok"}
    assert "too large for an archive" in predicted.reasons[f"{path}/x.vasp"]


def test_pipes_devices_and_loops_of_links_are_failures(tmp_path, good, predict):
    folder = tmp_path / "in"
    folder.mkdir()
    good.rename(folder / "good.cif")
    for suffix in SUFFIXES:
        os.mkfifo(folder / f"pipe{suffix}")
        (folder / f"device{suffix}").symlink_to("/dev/zero")
        (folder / f"loop{suffix}").symlink_to(f"loop{suffix}")
        (folder / f"nothing{suffix}").symlink_to("there")
    (folder / "below").symlink_to(folder)
    (folder / "other").symlink_to(folder / "another")
    (folder / "another").symlink_to(folder / "other")
    predicted = predict(folder)
    assert predicted.ids == {"good"}
    assert predict(folder / "good.cif", *folder.iterdir()).ids >= {"good"}
    kinds = ("pipe", "device", "loop", "nothing")
    names = [folder / f"{kind}{suffix}" for kind in kinds for suffix in SUFFIXES]
    assert predict(folder / "good.cif", *names).ids == {"good"}


def test_pipes_and_devices_are_no_tables_settings_or_models(tmp_path, good, refused):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "t.csv").write_text("file,gap\npipe.cif,1\n")
    os.mkfifo(tmp_path / "pipe.cif")
    output = ("-o", tmp_path / "out")
    for path in (pipe, "/dev/zero"):
        refused("predict", path, good)
        refused("info", path)
        refused("prepare", path, *output)
        refused("convert", path, path, *output)
        refused("train", path, "-t", "gap", *output)
        refused("evaluate", "band-gap", path)
        refused("analyze", "band-gap", path, *output)
    refused("predict", "band-gap", good, "-o", pipe)
    refused("predict", "band-gap", good, "-o", "/dev/full")
    refused("embed", "band-gap", good, "-o", pipe)


NAMES = ("[link=x]", "\u202eb", "a\nb")


@pytest.mark.parametrize(
    "name",
    [
        "m[/x]",
        "a\x1b[2Jb",
        *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES),
    ],
)
def test_no_name_commands_the_terminal(tmp_path, good, sitenet, name):
    folder = tmp_path / name
    (folder / f"{name}.cif").parent.mkdir(parents=True)
    good.rename(folder / f"{name}.cif")
    (folder / "bad.cif").write_text(name)
    for words in (
        ("predict", "band-gap", folder, "--workers", 1),
        ("info", folder / f"{name}.cif"),
        ("info", folder),
        ("prepare", folder, "-o", tmp_path / f"prepared {name}", "--workers", 1),
        ("predict", folder, folder),
        ("predict", "band-gap", folder / name),
    ):
        done = sitenet(*words)
        assert not {"\x1b", "\u202e"} & {*done.stdout, *done.stderr}, words


class Redirecting(http.server.BaseHTTPRequestHandler):
    """Sends every reader elsewhere."""

    to = ""

    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", self.to)
        self.end_headers()

    def log_message(self, *_):
        pass


class Foreign(Redirecting):
    """Serves what nobody asked for."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[]")


class Large(Foreign):
    """Serves more than there is room for."""

    def do_GET(self):
        super().do_GET()
        with contextlib.suppress(OSError):
            self.wfile.write(bytes(100_000))


@pytest.fixture
def serve():
    servers = []

    def start(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "to",
    ["file:///etc/hostname", "data:,x", "ftp://127.0.0.1/a", "circle", "other"],
)
def test_redirected_download_is_refused(tmp_path, monkeypatch, refused, serve, to):
    handler = type("Handler", (Redirecting,), {"to": to})
    url = serve(handler)
    handler.to = {"other": serve(Foreign), "circle": url}.get(to, to)
    monkeypatch.setenv("PYG_SITENET_MATBENCH_URL", url)
    monkeypatch.setenv("PYG_SITENET_CACHE", str(tmp_path / "cache"))
    line = refused("predict", "band-gap", "matbench_phonons")
    assert "checksum" in line if to == "other" else "cannot be downloaded" in line
    left = [path.stat().st_size for path in Path(tmp_path).rglob("*") if path.is_file()]
    assert not any(left)


def test_download_on_a_full_disk_is_told(tmp_path, monkeypatch, in_child, serve):
    monkeypatch.setenv("PYG_SITENET_MATBENCH_URL", serve(Large))
    monkeypatch.setenv("PYG_SITENET_CACHE", str(tmp_path / "cache"))

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    done = in_child("predict", "band-gap", "matbench_phonons", before=limit)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "cannot be downloaded: File too large" in line
