"""Readers: anything that holds crystals, as a stream of records and failures."""

from pyg_sitenet.data.sources.entry import Entry
from pyg_sitenet.data.sources.open import open_source
from pyg_sitenet.data.sources.source import Source

__all__ = ["Entry", "Source", "open_source"]
