"""Loading without the garbage collector leaves it as it was."""

import gc

import pytest

from pyg_sitenet.cli.loading import loading


def test_garbage_is_collected_again_after_loading_and_what_was_loaded_is_left_alone():
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()
    kept = gc.get_freeze_count()
    assert kept > 1000
    with pytest.raises(RuntimeError), loading():
        raise RuntimeError
    assert gc.isenabled()
    assert gc.get_freeze_count() == kept  # nothing more, in the same process


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with loading():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
