"""Avro files of table metadata, read for some fields alone, without PyIceberg's slow imports: before a run starts.

Iceberg's manifests and their lists are such files. Fields are found by their ids, whatever the format's version.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

_Read = Callable[[Any], Any]
_SYNC = 16
_CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda block: block,
    "deflate": lambda block: zlib.decompress(block, -zlib.MAX_WBITS),
}
_READ = {"boolean": "read_boolean", "int": "read_int", "long": "read_int", "float": "read_float"} | {
    "double": "read_double",
    "bytes": "read_bytes",
    "string": "read_utf8",
}
_KEY_AND_VALUE = 2
_SKIP = {name: method.replace("read", "skip") for name, method in _READ.items()} | {"bytes": "skip_utf8"}


def records(content: bytes, wanted: frozenset[int]) -> Iterator[dict[int, Any]]:
    """Yield the records of a file as values by field id; those of structs within are such mappings as well.

    Args:
        content: The whole file.
        wanted: The ids of the fields to read; all fields of a struct that is wanted and has none of these.

    Raises:
        ValueError: It is not an Avro file, or is packed in a way that is unknown here.
        EOFError: It is cut off.
    """
    make = _decoders()
    if not content.startswith(b"Obj\x01"):
        raise ValueError("not an Avro file")
    decoder: Any = make(content)
    decoder.skip(4)
    meta: dict[str, bytes] = dict(_blocks(decoder, lambda it: (it.read_utf8(), it.read_bytes())))
    codec = _unpacker(meta.get("avro.codec", b"null").decode())
    read = _reader_of(meta["avro.schema"].decode(), wanted)
    decoder.skip(_SYNC)
    while decoder.tell() < len(content):
        count, block = decoder.read_int(), codec(decoder.read_bytes())
        inner = make(block)
        for _ in range(count):
            yield read(inner)
        decoder.skip(_SYNC)


def _decoders() -> Callable[[bytes], Any]:
    """Return what makes decoders: PyIceberg's compiled one, imported in 5 ms, or the other where that is missing."""
    try:
        from pyiceberg.avro.decoder_fast import CythonBinaryDecoder
    except ImportError:
        from pyiceberg.avro.decoder import StreamingBinaryDecoder

        return StreamingBinaryDecoder
    return CythonBinaryDecoder


def _unpacker(name: str) -> Callable[[bytes], bytes]:
    """Return what unpacks blocks; for what Iceberg's writers seldom use, PyIceberg's."""
    if found := _CODECS.get(name):
        return found
    from pyiceberg.avro.codecs import KNOWN_CODECS

    known: Any = KNOWN_CODECS  # whose keys are literals
    if known.get(name) is None:
        raise ValueError(f"packed by {name}")
    return lambda block: bytes(known[name].decompress(block))


@functools.lru_cache(maxsize=256)
def _reader_of(schema: str, wanted: frozenset[int]) -> _Read:
    return _record(json.loads(schema), wanted)


def _record(schema: dict[str, Any], wanted: frozenset[int]) -> _Read:
    ids = [field.get("field-id") for field in schema["fields"]]
    is_all = not wanted.intersection(ids)
    steps = [
        (id_, _reader(field["type"], wanted)) if is_all or id_ in wanted else (None, _skipper(field["type"]))
        for id_, field in zip(ids, schema["fields"], strict=True)
    ]

    def read(decoder: Any) -> dict[int, Any]:
        found = {}
        for id_, step in steps:
            value = step(decoder)
            if id_ is not None:
                found[id_] = value
        return found

    return read


def _reader(schema: Any, wanted: frozenset[int]) -> _Read:
    if isinstance(schema, list):
        return _union([_reader(branch, wanted) for branch in schema])
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "null":
        return _nothing
    if kind == "record":
        return _record(schema, wanted)
    if kind == "fixed":
        size = schema["size"]
        return lambda decoder: decoder.read(size)
    if kind == "array":
        return _list_or_mapping(schema, wanted)
    if kind in _READ:
        method = _READ[kind]
        return lambda decoder: getattr(decoder, method)()
    raise ValueError(f"a field of type {kind}")


def _list_or_mapping(schema: Any, wanted: frozenset[int]) -> _Read:
    """Return what reads a list, or a map: Avro has one whose keys are not text as an array of keys and values."""
    if schema.get("logicalType") != "map":
        item = _reader(schema["items"], wanted)
        return lambda decoder: list(_blocks(decoder, item))
    fields = schema["items"]["fields"]
    key, value = (_reader(field["type"], wanted) for field in fields[:_KEY_AND_VALUE])
    is_of_bytes = [field["type"] for field in fields] in (["int", "bytes"], ["long", "bytes"])

    def read(decoder: Any) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while count := decoder.read_int():
            if count < 0:
                decoder.read_int()
            if is_of_bytes:
                decoder.read_int_bytes_dict(abs(count), found)
                continue
            for _ in range(abs(count)):
                at = key(decoder)
                found[at] = value(decoder)
        return found

    return read


def _skipper(schema: Any) -> _Read:
    if isinstance(schema, list):
        return _union([_skipper(branch) for branch in schema])
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "null":
        return _nothing
    if kind == "record":
        return _in_turn([_skipper(field["type"]) for field in schema["fields"]])
    if kind == "fixed":
        size = schema["size"]
        return lambda decoder: decoder.skip(size)
    if kind in {"array", "map"}:
        item = _skipper(schema["items"] if kind == "array" else schema["values"])
        return _skipping_blocks(item if kind == "array" else _in_turn([_skipper("string"), item]))
    if kind in _SKIP:
        method = _SKIP[kind]
        return lambda decoder: getattr(decoder, method)()
    raise ValueError(f"a field of type {kind}")


def _nothing(_: Any) -> None:
    return None


def _union(branches: list[_Read]) -> _Read:
    return lambda decoder: branches[decoder.read_int()](decoder)


def _in_turn(steps: list[_Read]) -> _Read:
    def skip(decoder: Any) -> None:
        for step in steps:
            step(decoder)

    return skip


def _blocks(decoder: Any, item: _Read) -> Iterator[Any]:
    """Yield the items of an array or a map; a negative count has the block's size behind it."""
    while count := decoder.read_int():
        if count < 0:
            decoder.read_int()
        for _ in range(abs(count)):
            yield item(decoder)


def _skipping_blocks(item: _Read) -> _Read:
    def skip(decoder: Any) -> None:
        while count := decoder.read_int():
            if count < 0:
                decoder.skip(decoder.read_int())
                continue
            for _ in range(count):
                item(decoder)

    return skip
