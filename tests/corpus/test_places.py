"""Folders and archives with odd names, links, pipes and bombs."""

import gzip
import os
import stat
import tempfile
import zipfile

import ase.io
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import StructureError

CSCL = Structure(Lattice.cubic(4.123), ["Cs", "Cl"], [[0, 0, 0], [0.5] * 3])
CIF = CSCL.to(fmt="cif")
OK = ("CsCl", 2, 4.123**3, 3.5706)

NAMES = [
    "with blanks in it.cif",
    "ünïcödé 中文.cif",
    "-leading-dash.cif",
    "--output.cif",
    'quote\'s "name".cif',
    "name@0.cif",
    "name:3.cif",
    "a.b.c.cif",
    "UPPER.CIF",
    "percent%20.cif",
    "star*[x].cif",
    "$HOME.cif",
    "new\nline.cif",
    "x" * 200 + ".cif",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
def test_odd_name_is_read_in_every_place(tmp_path, read, name):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / name).write_text(CIF)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(folder / name, name)
    for source in (folder, folder / name, tmp_path / "in.zip"):
        outcome = read(source)
        assert outcome.reasons == []
        (record,) = outcome.records
        assert record.structure.composition.reduced_formula == "CsCl"


@pytest.mark.parametrize("name", ["sub.cif", "POSCAR", "t.csv"])
def test_folder_under_the_name_of_a_file_is_looked_into(tmp_path, read, name):
    (tmp_path / "in" / name).mkdir(parents=True)
    (tmp_path / "in" / name / "a.cif").write_text(CIF)
    assert len(read(tmp_path / "in").records) == 1
    assert len(read(tmp_path / "in" / name).records) == 1


def test_links_to_nothing_and_in_a_circle_are_reasons(tmp_path, read):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.cif").write_text(CIF)
    (folder / "linked.cif").symlink_to(folder / "good.cif")
    (folder / "nothing.cif").symlink_to(folder / "gone.cif")
    (folder / "circle.cif").symlink_to(folder / "circle.cif")
    (folder / "up").symlink_to(folder, target_is_directory=True)
    outcome = read(folder)
    assert {item.id for item in outcome.records} == {"good", "linked"}
    assert len(outcome.reasons) == 2


@pytest.mark.parametrize("name", ["p.cif", "p.csv", "p.json", "p.zip", "p.xyz", "p.db"])
def test_pipe_is_a_reason_and_no_hang(tmp_path, read, name):
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / name)
    (outcome,) = read(folder / name).reasons
    assert "pipe" in outcome
    (folder / "good.cif").write_text(CIF)
    assert [item.id for item in read(folder).records] == ["good"]


def test_device_is_a_reason(read):
    assert "device" in read("/dev/null").reasons[0]


def test_file_without_permission_is_read_or_a_reason(tmp_path, read):
    path = tmp_path / "a.cif"
    path.write_text(CIF)
    path.chmod(0)
    outcome = read(path)
    if os.access(path, os.R_OK):  # for the superuser there are no locked files
        assert len(outcome.records) == 1
    else:
        assert "Permission denied" in outcome.reasons[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.cif", "no such file"),
        ("", "no structure files"),
        ("none/", "no such file"),
    ],
)
def test_missing_source_is_a_reason(tmp_path, read, name, reason):
    assert reason in read(f"{tmp_path}/{name}").reasons[0]


def _zip(path, files, **how):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _link():
    link = zipfile.ZipInfo("a.cif")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return link


ARCHIVES = {
    "no zip": (b"PK\x03\x04 no", "not a zip archive"),
    "empty file": (b"", "the file is empty"),
    "empty archive": ({}, "no structure files"),
    "absolute path": ({"/tmp/a.cif": CIF}, "leads out of the archive"),
    "path upwards": ({"x/../../a.cif": CIF}, "leads out of the archive"),
    "path upwards of Windows": ({"..\\..\\a.cif": CIF}, "leads out of the archive"),
    "drive of Windows": ({"C:\\a.cif": CIF}, "leads out of the archive"),
    "link": ({_link(): "/etc/passwd"}, "is a link"),
    "bomb": ({"a.cif": bytes(8 * 2**20)}, "would unpack to"),
    "archive in it": ({"inner.zip": b"PK"}, "no structure files|an archive within"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archive_is_refused(tmp_path, read, case):
    content, reason = ARCHIVES[case]
    path = tmp_path / "a.zip"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        _zip(path, content)
    outcome = read(path)
    assert outcome.records == []
    (result,) = outcome.reasons
    assert any(part in result for part in reason.split("|"))


def test_truncated_archive_is_a_reason(tmp_path, read):
    path = _zip(tmp_path / "a.zip", {f"{k}.cif": CIF for k in range(9)})
    path.write_bytes(path.read_bytes()[:-40])
    assert "not a zip archive" in read(path).reasons[0]


def test_damaged_member_is_one_reason_among_good_ones(tmp_path, read):
    path = _zip(tmp_path / "a.zip", {"a.cif": CIF, "b.cif": CIF})
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    outcome = read(path)
    assert [item.id for item in outcome.records] == ["b"]
    assert "a.cif: damaged" in outcome.reasons[0]


def test_archive_within_another_is_a_reason_among_good_ones(tmp_path, read):
    inner = _zip(tmp_path / "inner.zip", {"b.cif": CIF})
    path = _zip(tmp_path / "a.zip", {"a.cif": CIF, "inner.zip": inner.read_bytes()})
    outcome = read(path)
    assert [item.id for item in outcome.records] == ["a"]
    assert "an archive within another place" in outcome.reasons[0]


def test_files_and_rows_without_each_other_are_reasons(tmp_path, read):
    files = {"a.cif": CIF, "b.cif": CIF, "id_prop.csv": "a,1\nc,2\n"}
    outcome = read(_zip(tmp_path / "a.zip", files), ("gap",))
    assert [item.id for item in outcome.records] == ["a"]
    assert sorted(reason.split(" for ")[0] for reason in outcome.reasons) == [
        "no row",
        "no structure file",
    ]


def test_archive_beside_its_table_as_published_for_site_net(tmp_path, read):
    _zip(tmp_path / "set.zip", {"cifs/a.cif": CIF, "cifs/b.cif": CIF})
    (tmp_path / "set.csv").write_text("file,target\na.cif,1.5\nb.cif,2.5\n")
    for source in ("set.csv", "set.zip", "."):
        outcome = read(tmp_path / source, ("target",))
        assert outcome.reasons == []
        assert [item.targets["target"] for item in outcome.records] == [1.5, 2.5]


def test_trajectory_in_an_archive_gives_its_frames(tmp_path, read):
    frame = f'2\nLattice="{"4.123 0 0 0 " * 2}4.123" pbc="T T T"\nCs 0 0 0\nCl 2 2 2\n'
    path = _zip(tmp_path / "a.zip", {"x/md.extxyz": frame * 2})
    outcome = read(path)
    assert [item.id for item in outcome.records] == ["x/md@0", "x/md@1"]
    assert outcome.records[1].origin == f"{path}/x/md.extxyz, frame 1"


def test_many_small_members_are_read(tmp_path, read):
    path = _zip(tmp_path / "a.zip", {f"{k}.cif": "" for k in range(300)})
    assert len(read(path).reasons) == 300


@pytest.mark.parametrize("name", ["md.traj", "md.extxyz", "md.xyz.gz"])
def test_trajectory_in_an_archive_is_read_in_memory(tmp_path, read, name, monkeypatch):
    frames = [AseAtomsAdaptor.get_atoms(CSCL)] * 3
    ase.io.write(tmp_path / name, frames, format="traj" if "traj" in name else "extxyz")
    content = (tmp_path / name).read_bytes()
    if name.endswith(".gz") and content[:2] != b"\x1f\x8b":
        content = gzip.compress(content)
    path = _zip(tmp_path / "a.zip", {name: content})
    monkeypatch.setattr(tempfile, "TemporaryDirectory", None)
    outcome = read(path)
    assert outcome.reasons == []
    stem = name.split(".")[0]
    assert [record.id for record in outcome.records] == [
        f"{stem}@{number}" for number in range(3)
    ]


def test_reason_of_what_may_not_be_read_is_plain():
    def refuse():
        raise PermissionError(13, "Permission denied", "a.cif")

    message = r"^a\.cif: cannot be read: Permission denied; change its permissions$"
    with pytest.raises(StructureError, match=message):
        TextFile("a.cif", refuse, error=StructureError).text()
