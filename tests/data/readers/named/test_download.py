import hashlib
import http.server
import threading
from typing import ClassVar

import pytest

from pyg_sitenet.data.readers.named.download import download
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError

CONTENT = bytes(range(256)) * 2000
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves one file, in parts, and may hang up in the middle."""

    ranges: ClassVar[list[str | None]] = []
    hang_up_after: int | None = None
    knows_parts = True

    def do_GET(self):
        span = self.headers.get("Range")
        self.ranges.append(span)
        start = int(span.removeprefix("bytes=")[:-1]) if span else 0
        if self.path != "/file":
            self.send_error(404)
            return
        if start > len(CONTENT):
            self.send_error(416)
            return
        start = start if self.knows_parts else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: type(self).hang_up_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def handler():
    return type("Handler", (_Handler,), {"ranges": []})


@pytest.fixture
def url(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/file"
    server.shutdown()
    thread.join()
    server.server_close()


def test_file_is_downloaded_once(url, handler, tmp_path):
    path = tmp_path / "new" / "file"
    for _ in range(2):
        assert download(url, path, CHECKSUM).read_bytes() == CONTENT
    assert handler.ranges == [None]
    assert [item.name for item in path.parent.iterdir()] == ["file"]


def test_broken_connection_is_continued_where_it_ended(url, handler, tmp_path):
    handler.hang_up_after = 200_000
    assert download(url, tmp_path / "file", CHECKSUM).read_bytes() == CONTENT
    assert handler.ranges == [None, "bytes=200000-", "bytes=400000-"]


def test_download_of_an_earlier_run_is_continued(url, handler, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    assert download(url, tmp_path / "file", CHECKSUM).read_bytes() == CONTENT
    assert handler.ranges == ["bytes=1000-"]


def test_server_without_parts_begins_anew(url, handler, tmp_path):
    handler.knows_parts = False
    (tmp_path / "file.part").write_bytes(b"something else")
    assert download(url, tmp_path / "file", CHECKSUM).read_bytes() == CONTENT


def test_part_longer_than_the_file_begins_anew(url, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT * 2)
    assert download(url, tmp_path / "file", CHECKSUM).read_bytes() == CONTENT


def test_connection_that_never_gets_further_is_an_error(url, handler, tmp_path):
    handler.hang_up_after = 0
    with pytest.raises(DataError, match="cannot be downloaded: the connection ended"):
        download(url, tmp_path / "file", CHECKSUM)
    assert not (tmp_path / "file").exists()


def test_wrong_checksum_leaves_nothing(url, tmp_path):
    with pytest.raises(DataError, match=r"has the checksum .* expected 000"):
        download(url, tmp_path / "file", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_says_what_the_server_says(url, tmp_path):
    with pytest.raises(DataError, match="the server says 404"):
        download(f"{url}s", tmp_path / "file", CHECKSUM)


def test_other_addresses_are_not_opened(tmp_path):
    with pytest.raises(DataError, match="not an address that begins with https"):
        download("file:///etc/hostname", tmp_path / "file")


def test_task_without_a_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PYG_SITENET_MATBENCH_URL", "http://127.0.0.1:9/projects")
    monkeypatch.setenv("PYG_SITENET_CACHE", str(tmp_path))
    with pytest.raises(
        DataError,
        match=r"matbench_phonons.* cannot be downloaded: .*"
        "get the file elsewhere and give it with --data-file FILE",
    ) as caught:
        open_source("matbench_phonons", ["last phdos peak"])
    assert "\n" not in str(caught.value)


def test_folder_that_cannot_be_made_is_no_matter_of_the_network(tmp_path):
    (tmp_path / "file").write_text("")
    message = r"data\.gz: cannot be written: Not a directory; .* PYG_SITENET_CACHE"
    with pytest.raises(DataError, match=message):
        download("https://example.invalid/data.gz", tmp_path / "file" / "c" / "data.gz")
