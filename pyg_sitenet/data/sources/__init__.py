"""Sources: anything that holds crystals, opened by one function."""

from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.sources.open import open_source

__all__ = ["Entry", "Source", "open_source"]
