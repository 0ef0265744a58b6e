"""A star of tables as shops have it, with nulls, ties and text outside ASCII; the same rows each time."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa

_START = dt.date(2026, 1, 1)
_CHANNELS = ("web", "shop", "Äpp", None)
_COUNTRIES = ("DE", "FR", "日本", None, "DE", "US")


def star(sales: int = 400) -> dict[str, pa.Table]:
    """Return the tables by their names."""
    return {"d.sales": _sales(sales), "d.stores": _stores(), "d.items": _items(), "d.customers": _customers()}


def _mixed(number: int, modulus: int) -> int:
    """Return a number below another, spread as by chance."""
    return (number * 2_654_435_761 >> 7) % modulus


def _sales(count: int) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for i in range(count):
        day = _START + dt.timedelta(days=_mixed(i, 45))
        sold = dt.datetime(day.year, day.month, day.day, _mixed(i, 24), _mixed(i, 60), 1, i, tzinfo=dt.UTC)
        rows.append(
            {
                "id": i,
                "day": day,
                "sold_at": sold if i % 17 else None,
                "store": _mixed(i + 1, 9) if i % 23 else None,
                "item": _mixed(i + 2, 14),
                "customer": _mixed(i + 3, 40) if i % 11 else None,
                "quantity": 1 + _mixed(i + 4, 8),
                "price": Decimal(_mixed(i + 5, 9_999)) / 100 if i % 19 else None,
                "discount": _mixed(i + 6, 40) / 100 if i % 13 else None,
                "channel": _CHANNELS[_mixed(i + 7, 4)],
                "tags": [None, [], ["new"], ["new", None, "süß"]][_mixed(i + 8, 4)],
            }
        )
    types = {
        "id": pa.int64(), "day": pa.date32(), "sold_at": pa.timestamp("us", "UTC"), "store": pa.int32(),
        "item": pa.int32(), "customer": pa.int64(), "quantity": pa.int32(), "price": pa.decimal128(10, 2),
        "discount": pa.float64(), "channel": pa.string(), "tags": pa.list_(pa.string()),
    }  # fmt: skip
    return pa.Table.from_pylist(rows, pa.schema(list(types.items())))


def _stores() -> pa.Table:
    cities = ["Köln", "Paris", "東京", "Ulm", "New York", None, "Bonn", "Lyon", "Ulm", "Nizza"]
    return pa.table(
        {
            "store": pa.array(range(10), pa.int32()),
            "city": cities,
            "country": [_COUNTRIES[_mixed(i, 6)] for i in range(10)],
            "opened": pa.array(
                [_START - dt.timedelta(days=400 * i) if i != 4 else None for i in range(10)], pa.date32()
            ),
        }
    )


def _items() -> pa.Table:
    count = 15
    sizes = [{"w": i, "h": i / 4} if i % 5 else None for i in range(count)]
    attrs = [[("color", "red" if i % 2 else "blué")] if i % 3 else ([] if i % 2 else None) for i in range(count)]
    return pa.table(
        {
            "item": pa.array(range(count), pa.int32()),
            "name": [f"item {i}" for i in range(count)],
            "category": [("toys", "books", None, "food")[i % 4] for i in range(count)],
            "brand": [("A", "a", "Ä", None, "B")[i % 5] for i in range(count)],
            "cost": pa.array([Decimal(i * 1_111 + 1) / 1000 for i in range(count)], pa.decimal128(8, 3)),
            "attrs": pa.array(attrs, pa.map_(pa.string(), pa.string())),
            "size": pa.array(sizes, pa.struct([("w", pa.int32()), ("h", pa.float64())])),
        }
    )


def _customers() -> pa.Table:
    names = ["Anna", "bob", "Çelik", None, "Maria", "anna", "Dmitri", "Zoë", "", "李"]
    return pa.table(
        {
            "customer": pa.array(range(50), pa.int64()),
            "name": [names[i % 10] for i in range(50)],
            "born": pa.array([dt.date(1950 + i, 1 + i % 12, 1 + i % 28) for i in range(50)], pa.date32()),
            "country": [_COUNTRIES[i % 6] for i in range(50)],
            "vip": [None if i % 7 == 0 else i % 3 == 0 for i in range(50)],
        }
    )
