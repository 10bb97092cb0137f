"""YAML from anybody: plain values, as deep and as many as are asked for at most.

Aliases may repeat a value, as long as all that they stand for stays small. A date is a
text, and so are yes, no, on and off, which may be the labels of classes or, as ``No``,
an element. So is what YAML 1.1 takes for numbers and nobody means: 010 for 8, 1:30 for
90, 1_10 for 110. A key that is there twice is an error: a value would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import yaml

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without its library in C
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

MAX_DIGITS = 100
"""Letters of a number: PyYAML takes time with the square of their number."""

_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")


class TooLargeError(yaml.MarkedYAMLError):
    """A document is beyond its limits."""


def plain_value(text: str, *, max_depth: int, max_values: int) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return the value of a YAML text.

    Args:
        text: One document.
        max_depth: Values within values.
        max_values: Values in all, those of an alias counted wherever it stands.

    Raises:
        TooLargeError: If there are more.
        yaml.YAMLError: If it is no YAML, or holds other than plain values.
        ValueError, LookupError, OverflowError: From values that are none of their type.
    """
    _check_size(text, max_depth, max_values)
    return yaml.load(text, _PlainLoader)  # nosec B506  # a safe loader


def _check_size(text: str, max_depth: int, max_values: int) -> None:
    """Count before anything is made: the loader in C recurses until its stack ends."""
    count, sizes = 0, {}
    stack: list[tuple[str | None, int]] = []  # of open collections: name, values before
    for event in yaml.parse(text, _PlainLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append((event.anchor, count))
        if isinstance(event, yaml.CollectionEndEvent):
            name, before = stack.pop()
            sizes[name] = count - before
        elif isinstance(event, yaml.NodeEvent):
            count += sizes.get(event.anchor, 1) if _is_alias(event, stack) else 1
        if len(stack) > max_depth:
            raise _refusal(f"values lie in each other at most {max_depth} deep", event)
        if count > max_values:
            raise _refusal(f"it holds at most {max_values:,} values", event)


def _is_alias(event: yaml.Event, stack: Sequence[tuple[str | None, int]]) -> bool:
    if not isinstance(event, yaml.AliasEvent):
        return False
    if event.anchor in dict(stack):
        raise _refusal("a value must not contain itself", event)
    return True


def _refusal(reason: str, place: Any) -> TooLargeError:  # noqa: ANN401 - of PyYAML
    return TooLargeError(problem=reason, problem_mark=place.start_mark)


class _PlainLoader(_Loader):
    """Knows no other types than plain ones, and no long numbers."""

    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        f"tag:yaml.org,2002:{tag}": _Loader.yaml_constructors[
            f"tag:yaml.org,2002:{tag}"
        ]
        for tag in _TAGS
    } | {None: _Loader.yaml_constructors[None]}

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401
        """Return a mapping in which no key is twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge"):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value!r:.80} is there twice",
                        problem_mark=key.start_mark,
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: Any) -> Any:  # noqa: ANN401 - of PyYAML
        """Return the text of a scalar, if a number has few enough digits."""
        is_number = node.tag.endswith((":int", ":float"))
        if is_number and len(node.value) > MAX_DIGITS:
            raise _refusal(f"a number has at most {MAX_DIGITS} digits", node)
        return super().construct_scalar(node)


_OTHERS = (":timestamp", ":int", ":float")
# YAML 1.1 has other types for dates, and for yes, no, on and off.
_PlainLoader.yaml_implicit_resolvers = {
    letter: [
        rule
        for rule in rules
        if not rule[0].endswith(_OTHERS)
        and not (rule[0].endswith(":bool") and letter in "yYnNoO")
    ]
    for letter, rules in _Loader.yaml_implicit_resolvers.items()
}
for _kind, _pattern in (
    ("int", r"[-+]?(?:0|[1-9]\d*)"),
    (
        "float",
        r"[-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]\d+)?|[-+]?\.(?:inf|Inf|INF)"
        r"|\.(?:nan|NaN|NAN)",
    ),
):
    _PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}",
        re.compile(rf"(?:{_pattern})$", re.ASCII),
        list("-+.0123456789"),
    )
