"""The tests of PyG, run with SiteNetConv in the place of PyG's layers.

They are taken from a source package of PyG that ``PYG_SOURCE`` names, the unpacked
repository with its folder ``test``; the sdist on PyPI has none.
"""

import importlib.util
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LAYERS = (
    "antisymmetric", "cg", "dir_gnn", "gat", "gatv2", "gcn", "gen", "gps", "graph",
    "hetero", "res_gated_graph", "sage", "transformer",
)  # fmt: skip
FILES = (
    *(f"nn/conv/test_{name}_conv.py" for name in LAYERS),
    "nn/conv/test_message_passing.py",
    "nn/conv/test_static_graph.py",
    "nn/conv/test_create_gnn.py",
    "nn/conv/utils",
    "nn/models/test_autoencoder.py",
    "nn/models/test_basic_gnn.py",
    "nn/models/test_deep_graph_infomax.py",
    "nn/models/test_deepgcn.py",
    "nn/models/test_graph_unet.py",
    "nn/models/test_rev_gnn.py",
    "nn/pool/test_asap.py",
    "nn/pool/test_sag_pool.py",
    "nn/test_data_parallel.py",
    "nn/test_fvcore.py",
    "nn/test_fx.py",
    "nn/test_model_hub.py",
    "nn/test_model_summary.py",
    "nn/test_sequential.py",
    "nn/test_to_fixed_size_transformer.py",
    "nn/test_to_hetero_module.py",
    "nn/test_to_hetero_transformer.py",
    "nn/test_to_hetero_with_bases_transformer.py",
    "contrib/explain",
    "explain",
    "graphgym",
    "loader/test_neighbor_loader.py",
    "profile",
    "test_inspector.py",
    "utils/test_embedding.py",
    "utils/test_total_influence.py",
    "utils/test_trim_to_layer.py",
    "visualization/test_influence.py",
)


# Of sites that no pair leads to: a layer without a term of the site alone tells nothing
# of them (neither does GATConv without the loops that it adds).
WITHOUT_PAIRS = {
    "test.utils.test_total_influence::test_total_influence_smoke",
    "test.visualization.test_influence::test_influence",
}


def folder_of_tests():
    """Return the folder of PyG's tests, if there is one."""
    package = Path(importlib.util.find_spec("torch_geometric").origin).parent
    source = os.environ.get("PYG_SOURCE", package.parent)
    folder = Path(source) / "test"
    return (
        folder
        if (folder / "nn" / "conv" / "test_transformer_conv.py").is_file()
        else None
    )


def outcomes(folder, layer, output):
    """Run the tests with one layer in the place of all; name and outcome of each."""
    (output / "pytest.ini").write_text("[pytest]\n")
    report = output / f"{layer}.xml"
    paths = [str(folder / name) for name in FILES if (folder / name).exists()]
    options = [
        "-q",
        "--continue-on-collection-errors",
        "-p",
        "stand_in",
        "-p",
        "no:cacheprovider",
    ]
    options += ["-c", str(output / "pytest.ini"), "--rootdir", str(folder.parent)]
    search = os.pathsep.join(
        [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    )
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *paths],
        cwd=output,
        env=os.environ | {"STAND_IN": layer, "PYTHONPATH": search},
        capture_output=True,
        check=False,
    )
    results = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        name = f"{case.get('classname')}::{case.get('name')}"
        outcome = "failed" if kinds & {"failure", "error"} else "passed"
        results[name] = "skipped" if "skipped" in kinds else outcome
    return results


def test_nothing_fails_that_passes_with_the_transformer(tmp_path):
    folder = folder_of_tests()
    if folder is None:
        pytest.skip("PYG_SOURCE names no source package of PyG with its tests")
    ours, theirs = (
        outcomes(folder, layer, tmp_path)
        for layer in ("SiteNetConv", "TransformerConv")
    )
    assert sum(outcome == "passed" for outcome in ours.values()) > 300
    failed = {name for name, outcome in ours.items() if outcome == "failed"}
    failed -= {name for name, outcome in theirs.items() if outcome == "failed"}
    assert sorted(failed - WITHOUT_PAIRS) == []
