"""HdrHistogram's interval logs once more, short and slow: to make logs for the programs and to read theirs.

Histograms are {value: count} going in and {slot: count} coming out, in the layout of 1 ns to an hour with three digits.
"""

import base64
import collections
import re
import struct
import zlib

HOUR = 3600 * 10**9

Interval = collections.namedtuple("Interval", "tag begin length max_ms slots")


def slot(value):
    shift = (value | 2047).bit_length() - 11
    return shift * 1024 + (value >> shift)


def highest(index):
    """The highest value of a slot."""
    shift = max(index // 1024 - 1, 0)
    return ((index - shift * 1024 + 1) << shift) - 1


def put_count(number):
    bits, out = (number << 1) ^ (number >> 63) if number >= 0 else -2 * number - 1, bytearray()
    while bits > 0x7F and len(out) < 8:
        out.append(bits & 0x7F | 0x80)
        bits >>= 7
    out.append(bits)
    return bytes(out)


def _numbers(data):
    at = 0
    while at < len(data):
        bits = 0
        for i in range(9):
            byte = data[at]
            at += 1
            bits |= (byte & 0x7F if i < 8 else byte) << 7 * i
            if byte < 0x80:
                break
        yield -(bits // 2) - 1 if bits & 1 else bits // 2


def pack(counts, cookie=0x1C849313, n=None, digits=3, lowest=1, highest=HOUR, cut=0):
    """A histogram from the bytes of its counts: as it should be, or with a header that says something else, or with
    so many bytes of the stream cut off."""
    n = len(counts) if n is None else n
    packed = zlib.compress(struct.pack(">IIIIQQd", cookie, n, 0, digits, lowest, highest, 1.0) + counts)
    packed = packed[:len(packed) - cut]
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(packed)) + packed).decode()


def encode(values):
    slots = collections.Counter()
    for value, n in values.items():
        slots[slot(value)] += n
    counts, at = b"", 0
    for index in sorted(slots):
        if index - at > 0:
            counts += put_count(at - index)
        counts += put_count(slots[index])
        at = index + 1
    return pack(counts)


def write_log(path, start, intervals):
    """Of (tag or None, begin, length, {value: count}); times in seconds, begins since 'start'."""
    lines = ["#[Histogram log format version 1.3]",
             f"#[StartTime: {start:.3f} (seconds since epoch), whenever]",
             '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"']
    for tag, begin, length, values in intervals:
        lines.append((f"Tag={tag}," if tag else "") +
                     f"{begin:.3f},{length:.3f},{max(values, default=0) / 1e6:.6f},{encode(values)}")
    path.write_text("".join(line + "\n" for line in lines))
    return path


def decode(text):
    data = base64.b64decode(text, validate=True)
    cookie, n = struct.unpack(">II", data[:8])
    assert cookie & ~0xF0 == 0x1C849304 and n == len(data) - 8
    plain = zlib.decompress(data[8:])
    header = struct.unpack(">IIIIQQd", plain[:40])
    assert header[0] & ~0xF0 == 0x1C849303 and header[1] == len(plain) - 40
    assert header[2:] == (0, 3, 1, HOUR, 1.0)
    slots, at = {}, 0
    for number in _numbers(plain[40:]):
        if number > 0:
            slots[at] = number
        at += -number if number < 0 else 1
    return slots


def read_log(text):
    """The intervals, with begins as time of day."""
    start, found = None, []
    for line in text.splitlines():
        if line.startswith("#[StartTime: "):
            start = float(re.match(r"#\[StartTime: (\S+) ", line)[1])
        if line.startswith(("#", '"')):
            continue
        tag, *fields = line[4:].split(",") if line.startswith("Tag=") else ["", *line.split(",")]
        begin, length, largest = map(float, fields[:3])
        found.append(Interval(tag, start + begin, length, largest, decode(fields[3])))
    return found


def percentile(slots, percent):
    """The highest value of the slot in which that rank lies."""
    rank, seen = max(percent / 100 * sum(slots.values()) - 1e-6, 0), 0
    for index in sorted(slots):
        seen += slots[index]
        if seen >= rank:
            return highest(index)
