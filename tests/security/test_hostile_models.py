"""Settings, models, and checkpoints made to harm."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import zipfile

import pytest
import torch

from pyg_sitenet.model_file import find_model_file

pytestmark = pytest.mark.slow
SECONDS = 60
"""What hangs takes hours; a busy machine takes its time, too."""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
SETTINGS = {
    "bomb": BOMB,
    "bomb in a setting": f"data: {{source: {{{BOMB.replace(chr(10), ', ')}}}}}",
    "digits": f"data: {{max_atoms: {'9' * 5000}}}",
    "large": f"data: {{max_atoms: {'9' * 99}}}",
    "heads": f"model: {{heads: {10**15}}}",
    "blocks": f"model: {{blocks: {10**15}}}",
    "workers": f"data: {{workers: {10**15}}}",
    "members": f"training: {{members: {10**15}}}",
    "date": "data: {max_atoms: 2024-13-45}",
    "deep": "data: " + "[" * 100_000,
    "itself": "data: &a [*a]",
    "object": "data: !!python/object/apply:os.getcwd []",
    "value": "data: {merge: !!bool perhaps}",
    "escape": "data: {source: '\x1b[31m'}",
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_hostile_settings_are_refused_at_once(tmp_path, refused_in_time, kind):
    path = tmp_path / "config.yaml"
    path.write_text(SETTINGS[kind])
    words = ("prepare", "dielectric", "-o", tmp_path / "out")
    refused_in_time(*words, "--config", path)
    key, _, value = SETTINGS[kind].partition(": ")
    refused_in_time(*words, "--set", f"{key}={value}")


@pytest.fixture
def refused_in_time(in_child):
    """Run a command in a child that has a minute; it ends with one short line."""

    def run(*words):
        done = in_child(*words, seconds=SECONDS)
        assert done.exit_code in (1, 2), (done.exit_code, done.stderr[-2000:])
        assert "Traceback" not in done.stderr
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1 or done.exit_code == 2, lines
        assert len(done.stderr) < 4000
        return done.stderr

    return run


def split_model():
    """Return the header of a ready model, its description and its bytes."""
    content = find_model_file("band-gap").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    return (
        header,
        json.loads(header["__metadata__"]["pyg_sitenet"]),
        content[8 + size :],
    )


def write_model(path, header, description, content):
    if description is not None:
        text = description if isinstance(description, str) else json.dumps(description)
        header = header | {"__metadata__": {"pyg_sitenet": text}}
    start = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(start)) + start + content)


CHANGES = {
    "members": lambda d: d.update(members=10**9),
    "blocks": lambda d: d["config"]["model"].update(blocks=10**9),
    "heads": lambda d: d["config"]["model"].update(heads=10**6),
    "width": lambda d: d["config"]["model"].update(post_pool=[10**6, 10**6]),
    "hidden": lambda d: d["config"]["model"].update(attention_hidden=[10**15]),
    "elements": lambda d: d.update(elements=[10**9, -1]),
    "element": lambda d: d.update(elements="Fe"),
    "metrics": lambda d: d.update(metrics={"targets": {"band_gap": [1]}}),
    "range": lambda d: d.update(target_ranges={"band_gap": [2, 1]}),
    "targets": lambda d: d.update(targets=["a"] * 99_999),
    "version": lambda d: d.update(format_version=1e999),
    "nothing": dict.clear,
    "unknown": lambda d: d.update({"@module": "os"}),
    "calibration": lambda d: d.update(calibration={"scores": {"a": [3, 2]}}),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_hostile_description_is_refused_at_once(tmp_path, good, refused_in_time, kind):
    header, description, content = split_model()
    CHANGES[kind](description)
    write_model(tmp_path / "model.safetensors", header, description, content)
    refused_in_time("info", tmp_path / "model.safetensors")
    refused_in_time("predict", tmp_path / "model.safetensors", good)


def test_damaged_model_files_are_refused(tmp_path, good, refused):
    header, _, content = split_model()
    name = next(name for name in header if name != "__metadata__")
    path = tmp_path / "model.safetensors"
    for change in (
        {"shape": [10**9, 10**9]},
        {"data_offsets": [0, 2**62]},
        {"data_offsets": [-1, 4]},
        {"dtype": "F8_E5M2"},
        {"shape": "x"},
    ):
        write_model(path, header | {name: header[name] | change}, None, content)
        refused("predict", path, good)
    for text in ("[" * 100_000, "null", "9" * 5000, '{"a":' * 5000, "\ud800"):
        write_model(path, header, text, content)
        refused("predict", path, good)
        refused("info", tmp_path)
    whole = find_model_file("band-gap").read_bytes()
    for damaged in (whole[:100], struct.pack("<Q", 2**62) + whole[8:], b"\x80\x04N."):
        path.write_bytes(damaged)
        refused("predict", path, good)


class Starting:
    """What a pickle runs when it is read."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


@pytest.fixture
def checkpoints(tmp_path):
    """Files that run something when they are unpickled, or are damaged."""
    paths = [tmp_path / f"{name}.ckpt" for name in ("zip", "old", "bare", "half", "no")]
    marker = tmp_path / "started"
    torch.save({"state_dict": Starting(marker)}, paths[0])
    torch.save({"a": Starting(marker)}, paths[1], _use_new_zipfile_serialization=False)
    paths[2].write_bytes(pickle.dumps(Starting(marker)))
    marker.unlink(missing_ok=True)
    paths[3].write_bytes(paths[0].read_bytes()[:-40])
    with zipfile.ZipFile(paths[4], "w") as archive:
        archive.writestr("../../x/data.pkl", b"\x80\x04N.")
    yield paths
    assert not marker.exists()


def test_hostile_checkpoints_start_nothing(tmp_path, checkpoints, refused, good):
    (tmp_path / "paper.yaml").write_text("attention_heads: 3\n")
    (tmp_path / "bomb.yaml").write_text(BOMB)
    (tmp_path / "deep.yaml").write_text("[" * 100_000)
    output = ("-o", tmp_path / "m.safetensors")
    for path in checkpoints:
        refused("convert", path, tmp_path / "paper.yaml", *output)
        refused("predict", path, good)
    for name in ("bomb.yaml", "deep.yaml"):
        refused("convert", checkpoints[0], tmp_path / name, *output)


@pytest.mark.slow
def test_hostile_run_folder_starts_nothing(tmp_path, checkpoints, sitenet, refused):
    words = ["train", "dielectric", "-o", tmp_path / "run"]
    small = ("data.max_atoms=5", "training.max_epochs=1", "model.heads=1")
    words += [word for setting in small for word in ("--set", setting)]
    assert sitenet(*words).exit_code == 0
    more = [*words[:-1], "model.heads=1", "--set", "training.max_epochs=2", "--resume"]
    for path in checkpoints:
        for name in ("last", "previous"):
            shutil.copy(path, tmp_path / "run/checkpoints" / f"{name}.ckpt")
        refused(*more)
    for text in ('{"history": [1], "best_epoch": [], "targets": 1}', "[" * 99_999):
        (tmp_path / "run/metrics.json").write_text(text)
        refused("analyze", tmp_path / "run", "dielectric", "-o", tmp_path / "a")
