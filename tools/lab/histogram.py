"""Histograms as src/lib/histogram.h makes them, on the host: merged, and asked for percentiles."""

BITS = 7
EXACT = 1 << BITS
VALUE_BITS = 44
BUCKETS = (VALUE_BITS - BITS + 1) * EXACT

# What p50 to p99.99 leave beyond: one value in so many.
TAILS = (("p50", 2), ("p90", 10), ("p99", 100), ("p99.9", 1000), ("p99.99", 10000))
ENOUGH_BEYOND = 10


def least(bucket):
    """The least value that counts in the bucket."""
    if bucket < 2 * EXACT:
        return bucket
    return (EXACT + bucket % EXACT) << (bucket // EXACT - 1)


def pairs(histogram):
    """(bucket, count) from the flat list that the guest sends."""
    flat = histogram["buckets"]
    return list(zip(flat[::2], flat[1::2]))


def merge(histograms):
    """The histogram of all their values. The worst is the first's of those that are as bad."""
    counts = {}
    merged = {"n": 0, "min": 0, "max": 0, "sum": 0, "worst": 0}
    for one in histograms:
        if not one["n"]:
            continue
        if not merged["n"] or one["max"] > merged["max"]:
            merged["max"], merged["worst"] = one["max"], one["worst"]
        if not merged["n"] or one["min"] < merged["min"]:
            merged["min"] = one["min"]
        merged["n"] += one["n"]
        merged["sum"] += one["sum"]
        for bucket, count in pairs(one):
            counts[bucket] = counts.get(bucket, 0) + count
    merged["buckets"] = [number for bucket in sorted(counts) for number in (bucket, counts[bucket])]
    return merged


def percentile(histogram, tail):
    """The nearest rank, as the greatest value of its bucket; None if fewer than ten values lie beyond it."""
    n = histogram["n"]
    if not n or (tail > 2 and n // tail < ENOUGH_BEYOND):
        return None
    passed = 0
    for bucket, count in pairs(histogram):
        passed += count
        if passed >= n - n // tail:
            return histogram["max"] if bucket == BUCKETS - 1 else min(least(bucket + 1) - 1, histogram["max"])
    raise ValueError("a histogram with fewer values than it says")


def describe(histogram):
    """n, min, the percentiles that so many values support, max, and mean rounded as the guest does."""
    n = histogram["n"]
    figures = {"n": n, "min": histogram["min"]}
    for name, tail in TAILS:
        value = percentile(histogram, tail)
        if value is not None:
            figures[name] = value
    figures["max"] = histogram["max"]
    figures["mean"] = (2 * histogram["sum"] + n) // (2 * n) if n else 0
    return figures
