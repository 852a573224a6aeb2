"""Charts by gnuplot, as SVG that is part of a page and takes its colours from the page's style sheet.

A chart is drawn with colours that stand for names, rgb(1, 2, N) for the name of number N, which the page's variables
--NAME replace: so a chart follows the page into the dark, and onto paper.
"""

import html
import math
import re
import subprocess

import histogram

STYLES = ("async", "thread", "user", "isr", "poll")
LEVELS = 10
NAMES = (["ink", "axis", "grid", "paper"] + list(STYLES) + ["handler", "driver", "event", "consumer", "duet", "stock", "rt"]
         + ["heat%d" % i for i in range(LEVELS)] + ["on%d" % i for i in range(LEVELS)])
WIDTH, HEIGHT, FONT = 440, 330, 12


class Failure(Exception):
    """gnuplot cannot draw it."""


def colour(name):
    return 'rgb "#0102%02x"' % NAMES.index(name)


def quoted(text):
    return '"%s"' % str(text).replace("\\", "\\\\").replace('"', '\\"')


def short(value):
    """In two or three digits: 491, 5k, 9.9M, 160M."""
    for unit, suffix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= 0.9995 * unit:
            text = "%.1f" % (value / unit) if value < 9.95 * unit else "%.0f" % (value / unit)
            return text.removesuffix(".0") + suffix
    return "%d" % round(value)


# ---- from gnuplot to the page ------------------------------------------------------------------------------------------


TAG = re.compile(r"<(\w+)((?:\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*(/?)>")
ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
NAMED = re.compile(r"rgb\(\s*1,\s*2,\s*(\d+)\)")


def restyle(match):
    """One tag: named colours become variables, gnuplot's own ones those of the text around the chart."""
    kept, style = [], []
    for key, one, other in ATTRIBUTE.findall(match.group(2)):
        value = one or other
        named = NAMED.fullmatch(value)
        if named:
            style.append("%s:var(--%s)" % (key, NAMES[int(named.group(1))]))
        elif key not in ("color", "font-family"):
            kept.append('%s="%s"' % ("href" if key == "xlink:href" else key, value))
    if style:
        kept.append('style="%s"' % ";".join(style))
    return "<%s%s%s>" % (match.group(1), "".join(" " + k for k in kept), match.group(3))


def adopt(svg, name, title):
    """What gnuplot writes, as an element of a page: no prologue, no white ground, no identifier twice in the page."""
    body = svg[svg.index("</defs>") + len("</defs>"):svg.rindex("</g>")]
    used = set(re.findall(r"#(gp\w+)", body))
    shapes = {i: text for text, i in re.findall(r"(<[^>]*\bid='(gp\w+)'[^>]*/>)", svg)}
    for i in list(used):
        used |= set(re.findall(r"#(gp\w+)", shapes[i]))
    body = "<defs>%s</defs>%s" % ("".join(text for i, text in shapes.items() if i in used), body)
    body = TAG.sub(restyle, body.replace("xlink:href", "href"))
    body = re.sub(r"(<text[^>]*>) +", r"\1", re.sub(r"<title>[^<]*</title>", "", body))
    for _ in range(3):
        body = re.sub(r"<g[^>]*>\s*</g>", "", body)
    body = re.sub(r"(id=\"|href=\"#)", r"\g<1>%s-" % name, body)
    box = re.search(r'viewBox="([^"]*)"', svg).group(1)
    return '<svg viewBox="%s" role="img" aria-label="%s">%s</svg>' % (box, html.escape(title), re.sub(r"\n\s*", "\n", body))


def draw(name, title, commands, width=WIDTH, height=HEIGHT):
    setup = ['set terminal svg size %d,%d dynamic font "sans,%d" name "%s" noenhanced' % (width, height, FONT, name.replace("-", "_")),
             "set encoding utf8",
             "set border 3 lc %s" % colour("axis"), "set tics nomirror scale 0.5 tc %s" % colour("ink"),
             "set grid lt 1 lw 0.6 lc %s" % colour("grid"), "set key below horizontal Left reverse maxcols 2 height 0.8 samplen 1.5 tc %s" % colour("ink"),
             "set style fill solid 1 noborder"]
    text = "\n".join(setup + commands) + "\n"
    try:
        done = subprocess.run(["gnuplot", "-d"], input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failure("gnuplot cannot be run: %s; `make deps` installs it" % error) from None
    if done.returncode or done.stderr or "</svg>" not in done.stdout:
        raise Failure("gnuplot does not draw '%s': %s" % (title, done.stderr.strip()))
    return adopt(done.stdout, name, title)


def block(name, rows):
    return ["$%s << EOD" % name] + [" ".join(map(str, row)) for row in rows] + ["EOD"]


def label_axis(axis, text):
    return "set %slabel %s tc %s" % (axis, quoted(text), colour("ink"))


def value_tics(axis, low, high):
    """A logarithmic axis in powers of ten."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high) - 0.02) + 1)
    marks = ", ".join("%s 1e%d" % (quoted(short(10**p)), p) for p in powers)
    return ["set logscale %s" % axis, "set %srange [1e%d:%g]" % (axis, powers[0], max(10.0**powers[-1], high * 1.001)),
            "set %stics (%s)" % (axis, marks)]


# ---- kinds of charts ---------------------------------------------------------------------------------------------------


def percentile_steps(one):
    """(1 / (1 - p), value) of a histogram: each value from where it begins to where ten events lie beyond."""
    n, passed, points = one["n"], 0, []
    last = max(2.0, n / histogram.ENOUGH_BEYOND)
    for bucket, count in histogram.pairs(one):
        value = min(histogram.least(bucket + 1) - 1, one["max"])
        begin, passed = n / (n - passed), passed + count
        end = min(last, n / (n - passed) if passed < n else last)
        if begin < last:
            points += [(begin, max(1, value)), (end, max(1, value))]
    return points


def latency_axis(values):
    """Logarithmic if the values are of several powers of ten, and else from nothing on."""
    low, high = min(values), max(values)
    return value_tics("y", low, high) if high > 20 * low else ["set yrange [0:%g]" % (high * 1.15)]


def percentiles(name, title, unit, curves):
    """Curves of (label, style, dashed, histogram) over 1 / (1 - p)."""
    data, plots, values = [], [], []
    for i, (label, style, dashed, one) in enumerate(curves):
        points = percentile_steps(one)
        values += [v for _, v in points]
        data += block("c%d" % i, points)  # thinner and thinner: those beneath show where several are alike
        plots.append("$c%d with lines lw %g dt %s lc %s title %s"
                     % (i, max(1.4, 4 - 0.9 * i), "(8,4)" if dashed else "1", colour(style), quoted("%s, max %s" % (label, short(one["max"])))))
    most = max(n["n"] for *_, n in curves) / histogram.ENOUGH_BEYOND
    marks = [('"0"', 1), ('"50 %%"', 2), ('"90 %%"', 10), ('"99 %%"', 100), ('"99.9 %%"', 1000), ('"99.99 %%"', 10**4)]
    return draw(name, title, data + latency_axis(values) + [
        "set logscale x", "set xrange [1:%g]" % max(10, most),
        "set xtics (%s)" % ", ".join("%s %d" % mark for mark in marks if mark[1] <= max(10, most)),
        label_axis("y", unit), label_axis("x", "of the events are at most so late"),
        "plot " + ", ".join(plots)], height=HEIGHT + 18 * ((len(curves) + 1) // 2))


def lines(name, title, x, y, curves, marks):
    """Curves of (label, style, dashed, points), the lower axis logarithmic; `marks`: (text, position) on the lower one."""
    data, plots = [], []
    values = [v for *_, points in curves for _, v in points]
    for i, (label, style, dashed, points) in enumerate(curves):
        data += block("c%d" % i, points)
        plots.append("$c%d with linespoints pt %d ps 0.7 lw 2 dt %s lc %s title %s"
                     % (i, 6 if dashed else 7, "(6,4)" if dashed else "1", colour(style), quoted(label)))
    places = [p for _, p in marks]
    return draw(name, title, data + latency_axis(values) + [
        "set logscale x", "set xrange [%g:%g]" % (min(places) / 1.5, max(places) * 1.5),
        "set xtics (%s)" % ", ".join("%s %g" % (quoted(t), p) for t, p in marks),
        label_axis("x", x), label_axis("y", y), "plot " + ", ".join(plots)])


def scatter(name, title, x, y, sets):
    """Points of (label, style, points)."""
    data, plots = [], []
    most = max(v for *_, points in sets for _, v in points)
    for i, (label, style, points) in enumerate(sets):
        data += block("s%d" % i, points)  # smaller and smaller: those beneath show where several are alike
        plots.append("$s%d with points pt 7 ps %g lc %s notitle" % (i, max(0.25, 0.65 - 0.15 * i), colour(style)))
        plots.append("NaN with points pt 7 ps 1 lc %s title %s" % (colour(style), quoted(label)))
    return draw(name, title, data + [
        "set yrange [0:%g]" % (most * 1.1), "set format y '%.0s%c'", "set xrange [%g:%g]" % (min(p for *_, s in sets for p, _ in s), max(p for *_, s in sets for p, _ in s)),
        label_axis("x", x), label_axis("y", y), "plot " + ", ".join(plots)])


def bars(name, title, unit, rows, parts=None, scale=1):
    """Horizontal bars: rows of (label, [(name, value), ...]), each value a piece behind the one before; the sum stands at
    the end. A piece's name is its colour, and `parts` what it is called."""
    pieces, data, labels = {}, [], []
    for i, (label, values) in enumerate(rows):
        begin = 0
        for piece, value in values:
            pieces.setdefault(piece, []).append((begin / scale, i, begin / scale, (begin + value) / scale, i - 0.32, i + 0.32))
            begin += value
        text = "{:,}".format(round(begin / scale))
        labels.append('set label %s at %g,%d left offset 0.4,0 tc %s' % (quoted(text), begin / scale, i, colour("ink")))
    plots = []
    for piece, boxes in pieces.items():
        data += block(piece, boxes)
        plots.append("$%s using 1:2:3:4:5:6 with boxxyerror lc %s %s"
                     % (piece, colour(piece), "title " + quoted(parts[piece]) if parts else "notitle"))
    most = max(sum(v for _, v in values) for _, values in rows) / scale
    step = nice(most * 1.3 / 5)
    return draw(name, title, data + labels + [
        "set xrange [0:%g]" % (most * 1.3), "set yrange [%g:-0.6]" % (len(rows) - 0.4), "set grid noytics",
        "set xtics (%s)" % ", ".join("%s %g" % (quoted("{:,.0f}".format(i * step)), i * step) for i in range(6) if i * step <= most * 1.3), "set border 1",
        "set ytics (%s) scale 0" % ", ".join("%s %d" % (quoted(l), i) for i, (l, _) in enumerate(rows)),
        label_axis("x", unit), "" if parts else "set key off", "plot " + ", ".join(plots)],
        height=90 + 26 * len(rows) + (50 if parts else 0))


def nice(step):
    """The next of 1, 2, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(step))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= step * 0.999)


def heat_level(value):
    """From 100 to 10 millions and beyond, in halves of a power of ten."""
    return max(0, min(LEVELS - 1, int((math.log10(max(1, value)) - 2.5) * 1.7)))


def heat(name, title, groups, columns, rows, value):
    """A box for each value(row, group, column), or none where that is None."""
    across = [(g, c) for g in groups for c in columns]
    commands, boxes = [], {}
    for y, (key, _) in enumerate(rows):
        for x, (group, column) in enumerate(across):
            found = value(key, group, column)
            if found is None:
                continue
            level = heat_level(found)
            boxes.setdefault(level, []).append((x, y, x - 0.48, x + 0.48, y - 0.47, y + 0.47))
            commands.append("set label %s at %d,%d center font \",10\" front tc %s"
                            % (quoted(short(found)), x, y, colour("on%d" % level)))
    for i, (_, label) in enumerate(groups.items()):
        commands.append("set label %s at %g,-1.65 center tc %s"
                        % (quoted(label), (i + 0.5) * len(columns) - 0.5, colour("ink")))
    for x, (_, column) in enumerate(across):
        commands.append("set label %s at %d,-0.9 center font \",10\" tc %s" % (quoted(column), x, colour("ink")))
    data = [line for level, some in sorted(boxes.items()) for line in block("h%d" % level, some)]
    plots = ["$h%d using 1:2:3:4:5:6 with boxxyerror lc %s notitle" % (level, colour("heat%d" % level))
             for level in sorted(boxes)]
    return draw(name, title, data + commands + [
        "unset border", "set grid noxtics noytics", "unset xtics", "set tmargin 2.5", "set bmargin 0.5", "set lmargin 17", "set rmargin 1",
        "set xrange [-0.5:%g]" % (len(across) - 0.5), "set yrange [%g:-0.5]" % (len(rows) - 0.5),
        "set ytics (%s) scale 0 font \",11\"" % ", ".join("%s %d" % (quoted(l), i) for i, (_, l) in enumerate(rows)),
        "plot " + ", ".join(plots)], width=WIDTH if len(across) <= 8 else 500, height=50 + 21 * len(rows))
