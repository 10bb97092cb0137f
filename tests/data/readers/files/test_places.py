import os
import stat
import zipfile

import pytest

from pyg_sitenet.data.readers.files.archive import Archive
from pyg_sitenet.data.readers.files.file_names import (
    id_of_file,
    is_structure_file,
    is_table,
)
from pyg_sitenet.data.readers.files.places import Folder
from pyg_sitenet.errors import DataError, StructureError


def _zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_files_are_told_apart_by_their_names():
    assert all(map(is_structure_file, ["a.cif", "b/A.CIF", "POSCAR", "x/CONTCAR_2"]))
    assert not any(map(is_structure_file, ["a.csv", "readme.md", "poscars/a.txt"]))
    assert all(map(is_table, ["a.csv", "A.JSONL.GZ", "b.json"]))
    assert [id_of_file(name) for name in ("a.b.cif", "x/POSCAR", "mp-1.5")] == [
        "a.b",
        "x/POSCAR",
        "mp-1.5",
    ]


def test_hidden_files_are_left_alone(tmp_path):
    for name in ("a.cif", ".b.cif", "__MACOSX/._a.cif", ".git/c.cif", "d/e.cif"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    files = {name.name: b"x" for name in (tmp_path / "in").rglob("*.cif")}
    assert Folder(tmp_path / "in").files == ["a.cif", "d/e.cif"]
    assert "a.cif" in files


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_file_is_found_by_path_name_and_stem(tmp_path, kind):
    files = {"x/a.cif": b"1", "x/b.cif": b"2", "y/b.cif": b"3"}
    if kind == "archive":
        place = Archive(_zip(tmp_path / "a.zip", files))
    else:
        for name, content in files.items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        place = Folder(tmp_path / "in")
    for key in ("x/a.cif", "x/a", "a.cif", "a"):
        assert place.find(key) == ["x/a.cif"]
    assert place.find("b") == ["x/b.cif", "y/b.cif"]
    assert place.find("c") == []
    assert place.find("n" * 5000) == []
    with place.open("y/b.cif") as file:
        assert file.read() == b"3"


def test_digest_sees_content_and_names(tmp_path):
    (tmp_path / "a.cif").write_text("1")
    (tmp_path / "b.cif").write_text("2")
    place = Folder(tmp_path)
    before = place.digest(["a.cif"])
    assert place.digest(["b.cif"]) != before
    stat_before = (tmp_path / "a.cif").stat()
    (tmp_path / "a.cif").write_text("3")
    os.utime(tmp_path / "a.cif", ns=(stat_before.st_atime_ns, stat_before.st_mtime_ns))
    assert place.digest(["a.cif"]) != before


@pytest.mark.parametrize(
    "name", ["/etc/a.cif", "../a.cif", "x/../../a.cif", "C:/a.cif"]
)
def test_archive_with_a_path_that_leads_out_is_refused(tmp_path, name):
    path = _zip(tmp_path / "a.zip", {name: "x"})
    with pytest.raises(DataError, match="leads out of the archive"):
        Archive(path)


def test_archive_with_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("a.cif")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match=r"'a\.cif' is a link"):
        Archive(tmp_path / "a.zip")


def test_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    path = _zip(tmp_path / "a.zip", {"a.cif": bytes(3 * 2**20)})
    with pytest.raises(DataError, match="would unpack to 3145728 bytes"):
        Archive(path)


def test_archive_with_too_many_files_is_refused(tmp_path, monkeypatch):
    path = _zip(tmp_path / "a.zip", {f"{k}.cif": "x" for k in range(4)})
    monkeypatch.setattr("pyg_sitenet.data.readers.files.archive.MAX_MEMBERS", 3)
    with pytest.raises(DataError, match=r"4 files .* are more than"):
        Archive(path)


def test_encrypted_archive_is_refused(tmp_path):
    path = _zip(tmp_path / "a.zip", {"a.cif": "x"})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        Archive(path)


def test_what_is_no_archive_says_so(tmp_path):
    (tmp_path / "a.zip").write_text("not a zip")
    with pytest.raises(DataError, match=r"a\.zip: not a zip archive"):
        Archive(tmp_path / "a.zip")


def test_damaged_member_says_so(tmp_path):
    path = _zip(tmp_path / "a.zip", {"a.cif": b"abcdefgh" * 99})
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(StructureError, match=r"a\.zip/a\.cif: damaged"):
        Archive(path).content("a.cif").text()


def test_links_to_folders_are_looked_into_once(tmp_path):
    root, other = tmp_path / "in", tmp_path / "other"
    for folder in (root / "z", other / "deep"):
        folder.mkdir(parents=True)
        (folder / "a.cif").write_text("x")
    (root / "linked").symlink_to(other, target_is_directory=True)
    (root / "again").symlink_to(other / "deep", target_is_directory=True)
    (root / "also").symlink_to(root / "z", target_is_directory=True)
    (other / "up").symlink_to(tmp_path, target_is_directory=True)
    (other / "circle").symlink_to(other, target_is_directory=True)
    assert Folder(root).files == ["again/a.cif", "z/a.cif"]


def test_files_are_found_where_they_are_and_not_by_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.cif").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert Folder(tmp_path).files == ["real/a.cif"]


@pytest.mark.parametrize(
    "target", ["/proc/self/mem", "/proc/kmsg", "/proc/self/pagemap"]
)
def test_files_of_the_system_neither_end_a_command_nor_keep_it_waiting(
    tmp_path, target
):
    """Links to them are regular files that cannot be read, or not to an end."""
    if not os.path.exists(target):
        pytest.skip("no such file here")
    (tmp_path / "a.cif").symlink_to(target)
    (tmp_path / "t.csv").symlink_to(target)
    folder = Folder(tmp_path)
    assert folder.digest(["a.cif"]) == folder.digest(["a.cif"])
    assert folder.open("t.csv").read() == b""


def test_folder_below_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    (tmp_path / "a.cif").write_text("x")
    scan = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("below"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    message = "below: the folder cannot be read: Permission denied; change its permiss"
    with pytest.raises(DataError, match=message):
        Folder(tmp_path)
