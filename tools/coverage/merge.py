#!/usr/bin/env python3
"""merge.py BUILD RUNS: makes .gcda files, which gcov reads, of what kernels built with COVERAGE=1 sent.

BUILD is their folder, RUNS one with a file for each machine: what came from its debug console. A frame is the counts of
one source file since the frame before (src/kernel/coverage.c), all numbers in it of 7 bits a byte, lowest first:

    the .gcda file's name and a zero byte; version, stamp, checksum
    for each function that ran: ident, checksum of its lines, checksum of its flow, number of counters, and these;
    a zero is followed by how many zeros there are

A file without frames gets a .gcda all the same, so that what never ran is found as such. Says how many machines sent
how much; a frame that is damaged or cut short, of another build, or not possible is left out and counted.
"""
import pathlib
import struct
import sys
import zlib

MAGIC_DATA, MAGIC_NOTE = 0x67636461, 0x67636E6F  # GCC's gcov-io.h, as are the tags
TAG_SUMMARY, TAG_FUNCTION, TAG_ARCS = 0xA1000000, 0x01000000, 0x01A10000
COUNT_MAX = 1 << 48  # more is no count: a program may write where its counters are


class Damaged(Exception):
    pass


def frames(data):
    """The contents of each frame; None for what is none, up to the next."""
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 4) if at + 12 <= len(data) else (len(data),)
        content, end = data[at + 8:at + 8 + size], at + 12 + size
        if (data[at:at + 4] == b"GCOV" and end <= len(data)
                and struct.unpack_from("<I", data, end - 4)[0] == zlib.adler32(content)):
            yield content
            at = end
        else:
            yield None
            at = data.find(b"GCOV", at + 1) % (len(data) + 1)  # -1: the end


def numbers(content, at):
    number = shift = 0
    for byte in content[at:]:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0


def functions(stream):
    """(ident, checksums): counts, of each function."""
    found = {}
    for ident in stream:
        key = (ident, next(stream), next(stream))
        size, counts = next(stream), []
        while len(counts) < size:
            count = next(stream)
            counts += [count] if count else [0] * next(stream)
        if len(counts) != size or max(counts) > COUNT_MAX:
            raise Damaged
        found[key] = counts
    return found


class Object:
    """What is known of one source file."""

    def __init__(self, note):
        head = note.read_bytes()[:16]
        magic, self.version, self.stamp, self.checksum = struct.unpack("<4I", head)  # the last is not checked by gcov
        assert magic == MAGIC_NOTE, note
        self.functions = {}

    def add(self, content, at):
        stream = numbers(content, at)
        if (next(stream), next(stream)) != (self.version, self.stamp):
            raise Damaged
        self.checksum = next(stream)
        try:
            more = functions(stream)
        except (StopIteration, RuntimeError):
            raise Damaged from None
        for key, counts in more.items():
            old = self.functions.setdefault(key, [0] * len(counts))
            if len(old) != len(counts):
                raise Damaged
            self.functions[key] = [a + b for a, b in zip(old, counts)]

    def write(self, path, runs):
        words = [struct.pack("<4I", MAGIC_DATA, self.version, self.stamp, self.checksum)]
        most = max((max(counts) for counts in self.functions.values()), default=0)
        words.append(struct.pack("<4I", TAG_SUMMARY, 8, runs, min(most, 0xFFFFFFFF)))
        for key, counts in sorted(self.functions.items()):
            words.append(struct.pack("<5I", TAG_FUNCTION, 12, *key))
            words.append(struct.pack(f"<2I{len(counts)}Q", TAG_ARCS, 8 * len(counts), *counts))
        path.write_bytes(b"".join(words) + bytes(8))


def main(build, runs):
    notes = {str(note.resolve().with_suffix(".gcda")): note for note in pathlib.Path(build).rglob("*.gcno")}
    objects = {name: Object(note) for name, note in notes.items()}
    whole = cut = silent = sent = spoiled = 0
    for path in sorted(pathlib.Path(runs).iterdir()):
        last = None
        for last in frames(path.read_bytes()):
            if last == b"":
                continue
            sent += 1
            try:
                if last is None:
                    raise Damaged
                name, _, _ = last.partition(b"\0")
                objects[name.decode()].add(last, len(name) + 1)
            except (Damaged, KeyError, UnicodeDecodeError):
                spoiled += 1
        silent += path.stat().st_size == 0
        whole += last == b""
        cut += path.stat().st_size > 0 and last != b""
    for name, it in objects.items():
        it.write(pathlib.Path(name), whole)
    print(f"{whole} machines sent {sent} frames; {spoiled} frames left out, {cut} machines cut short, {silent} silent")
    if not whole or spoiled > sent // 100:
        sys.exit("merge.py: that is no measurement")


if __name__ == "__main__":
    main(*sys.argv[1:])
