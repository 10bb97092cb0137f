"""The errors this package raises on purpose; commands print them in one line."""


class SiteNetError(Exception):
    """Base of every error that a user can cause and mend."""


class StructureError(SiteNetError, ValueError):
    """A crystal that cannot be used: names the file or formula and the cause."""


class DataError(SiteNetError, ValueError):
    """A table, folder or data set that cannot be used as asked."""


class ConfigError(SiteNetError, ValueError):
    """A setting that does not exist or has an impossible value."""


class ModelFileError(SiteNetError, ValueError):
    """A model file that is damaged, foreign or from a newer version."""


class ClusterError(SiteNetError, RuntimeError):
    """A cluster that cannot be reached, or cannot do the work."""


class SiteNetWarning(UserWarning):
    """Something was done that the user may want to know, and the result stands."""
