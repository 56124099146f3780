"""Numbers as text: digits, what is absent, what is infinite, no minus before a zero; and strict JSON."""

import json
import math

import pytest

from fastgrad._validation import strict_json
from fastgrad.report.tables import count, interval, number, percent, plus_minus, significant

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(1.23456), "1.235"),
        (number(-0.0004), "0.000"),
        (number(-2.04, 1), "-2.0"),
        (number(INF, 1), "inf"),
        (number(None), "none"),
        (number(NAN, 4, ""), ""),
        (number(7, 0), "7"),
        (significant(0.00123456), "0.00123"),
        (significant(12.345), "12.3"),
        (significant(999.4), "999"),
        (significant(999.5), "1000"),
        (significant(-1234.5), "-1234"),
        (significant(1.5e7), "1.5e+07"),
        (significant(INF), "inf"),
        (significant(NAN), "none"),
        (percent(0.366), "37%"),
        (percent(0.0126, 1, sign="+"), "+1.3%"),
        (percent(None, absent=""), ""),
        (count(65536), "65,536"),
        (interval(0.0121, 0.0139), "0.012 to 0.014"),
        (interval(-INF, INF), "none"),
        (interval(NAN, NAN), "none"),
        (plus_minus(-10.123, 0.1), "-10.123 ± 0.100"),
        (plus_minus(0.5, INF), "0.500"),
        (plus_minus(NAN, NAN), "none"),
    ],
)
def test_a_number_as_text(shown, expected):
    assert shown == expected


def test_json_has_no_infinities():
    text = strict_json({"a": (1.5, INF, -INF), "b": [{"c": NAN}], "d": None})
    assert json.loads(text, parse_constant=pytest.fail) == {"a": [1.5, "inf", "-inf"], "b": [{"c": "nan"}], "d": None}
    assert text.endswith("}\n")
