"""Flips one bit of a recording: of the first page's hash, or of the first number of o, of the first step on a target that has o.
Usage: flip.py pages|o TARGET IN OUT"""
import pathlib
import struct
import sys

part, target, source, changed = sys.argv[1:]
data = bytearray(pathlib.Path(source).read_bytes())
at = len(b"kvcc recording 1\n")


def number():
    global at
    at += 8
    return struct.unpack_from("<Q", data, at - 8)[0]


def block():
    """Skips a length and so many bytes: where they are, and how many."""
    global at
    length = number()
    start = at
    if length == 2**64 - 1:  # as in the step before
        return start, 0
    at += length
    return start, length


while True:
    block()
    start, length = block()
    here = data[start : start + length].decode() == target
    number()
    places = {"pages": block(), "o": block()}
    block()
    if here and places["o"][1]:
        data[places[part][0]] ^= 1
        break
pathlib.Path(changed).write_bytes(data)
