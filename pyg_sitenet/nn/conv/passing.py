"""Message passing that explainers reach in subclasses, too."""

from typing import Any

from torch_geometric.nn import MessagePassing


class SubclassedPassing(MessagePassing):
    """Message passing whose subclasses do not inherit templates.

    As soon as a layer of a class is made, PyG replaces these methods of the class by
    templates. A template ignores the masks of explainers, so PyG goes back to what the
    class had before; of a subclass that would be the template of its parent.
    """

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401, as they come
        """Give a subclass the methods that its parents had before PyG's templates."""
        super().__init_subclass__(**options)
        for name in ("propagate", "edge_updater"):
            owner = next(base for base in cls.__mro__ if name in vars(base))
            setattr(cls, name, vars(owner).get(f"_orig_{name}", vars(owner)[name]))
