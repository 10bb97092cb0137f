"""The former place of :func:`open_cluster`, for scripts that import it from here."""

from pyg_sitenet.workers.cluster import open_cluster

__all__ = ["open_cluster"]
