import json

import pytest

from pyg_sitenet.data.readers.tables.json_stream import JsonReader

DOCUMENT = {"a": [1, {"b": '}]\\"é'}, 12.5, None], "n": -123456, "e": [], "o": {}}


def _pieces(text, size):
    return iter([text[k : k + size] for k in range(0, len(text), size)])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_values_are_the_same_however_the_text_is_cut(size):
    reader = JsonReader(_pieces(json.dumps(DOCUMENT), size))
    assert {key: reader.value() for key in reader.keys()} == DOCUMENT  # noqa: SIM118
    assert reader.next_letter() == ""


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_elements_come_one_by_one(size):
    text = " [ 1, [2, 3] ,\n4.5e3, 678 ] "
    assert list(JsonReader(_pieces(text, size)).elements()) == [1, [2, 3], 4500.0, 678]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1 2]", "expected , or ] before '2]'"),
        ("[1,", "Expecting value"),
        ("[1", "expected , or ]"),
        ("[{'a': 1}]", "Expecting property name"),
        ("3", r"expected \[ before '3'"),
    ],
)
def test_damage_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        list(JsonReader(iter([text])).elements())


def test_name_without_quotes_is_an_error():
    with pytest.raises(ValueError, match="a name is missing before 'a: 1}'"):
        next(JsonReader(iter(["{a: 1}"])).keys())


def test_value_without_end_is_an_error(monkeypatch):
    monkeypatch.setattr(
        "pyg_sitenet.data.readers.tables.json_stream.MAX_VALUE_BYTES", 50
    )
    with pytest.raises(ValueError, match="no end of a value within 50 letters"):
        JsonReader(iter(['"', *["x" * 40] * 9])).value()
