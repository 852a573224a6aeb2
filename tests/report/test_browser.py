"""The page in a headless Chromium: at a desk, on a phone, in the dark, on paper. Its pictures are for a person to look at.

The last `make bench`'s page if there is one, else one out of the model. Pictures: build/report/.
"""

import os
import unittest

import sample  # first: it says where the lab's modules are
import browser
import report
import verdict

ROOT = os.path.join(report.HERE, "..", "..")
PICTURES = os.path.join(ROOT, "build", "report")
VIEWS = {"desk": (1280, 900, False, False), "dark": (1280, 900, True, False), "phone": (390, 844, False, True),
         "phone-dark": (390, 844, True, True)}

# Of each chart: whether its marks are there, its texts inside, and none upon another.
CHARTS = """[...document.querySelectorAll("figure.chart")].map((figure) => {
    const svg = figure.querySelector("svg"), whole = svg.getBoundingClientRect(), wrong = [];
    const boxes = [...svg.querySelectorAll("text")].filter((t) => t.textContent.trim()).map((t) => [t.textContent, t.getBoundingClientRect()]);
    for (const [text, box] of boxes)
        if (box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1 || box.bottom > whole.bottom + 1)
            wrong.push("cut: " + text);
    boxes.forEach(([text, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 0.35 * Math.min(a.height, b.height))
            wrong.push("overlap: " + text + " and " + other);
    }));
    const named = [...svg.querySelectorAll("[style*='var(--']")].filter((e) => !/--(ink|axis|grid|paper)/.test(e.getAttribute("style")));
    const painted = named.map((e) => { const s = getComputedStyle(e); return s.fill === "none" ? s.stroke : s.fill; });
    const drawn = named.filter((e) => { const box = e.getBoundingClientRect(); return box.width > 1 || box.height > 1; });
    return {name: figure.id, width: whole.width, height: whole.height, marks: drawn.length, colours: new Set(painted).size,
            black: painted.filter((c) => c === "rgb(0, 0, 0)").length, wrong: wrong,
            small: Math.min(...boxes.map(([, box]) => box.height))};
})"""

# WCAG's contrast of an element's colour with what is behind it.
CONTRAST = """(() => {
    const channels = (c) => c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const light = (c) => { const [r, g, b] = channels(c); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
    const probe = document.body.appendChild(document.createElement("i"));
    const value = (name) => { probe.style.color = "var(--" + name + ")"; return getComputedStyle(probe).color; };
    const paper = value("paper"), found = {ink: ratio(value("ink"), paper), soft: ratio(value("soft"), paper)};
    for (const name of ["async", "thread", "user", "isr", "poll", "stock", "rt"])
        found[name] = ratio(value(name), paper);
    for (let i = 0; i < 10; i++)
        found["on" + i] = ratio(value("on" + i), value("heat" + i));
    probe.remove();
    return found;
})()"""

SORT = """(() => {
    const table = document.getElementById("cells"), heads = [...table.tHead.rows[0].cells];
    const at = heads.findIndex((h) => h.textContent === "event p50"), seen = [];
    const column = () => [...table.tBodies[0].rows].map((r) => r.cells[at].dataset.v);
    heads[at].querySelector("button").click(); seen.push(column());
    heads[at].querySelector("button").click(); seen.push(column());
    const filter = document.querySelector("input[data-table=cells]");
    filter.value = "async equal"; filter.dispatchEvent(new Event("input"));
    seen.push([...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[0].textContent + " " + r.cells[1].textContent));
    return seen;
})()"""


def page():
    """Where it is, and how it came about."""
    built = os.path.join(ROOT, "build", "bench", "report.html")
    os.makedirs(PICTURES, exist_ok=True)
    if os.path.exists(built):
        return os.path.abspath(built)
    path = os.path.abspath(os.path.join(PICTURES, "sample.html"))
    with open(path, "w", encoding="utf-8") as out:
        out.write(report.page(verdict.Data(sample.results(), sample.linux(), sample.external())))
    return path


class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.path = page()
        cls.url = "file://" + cls.path
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    def open(self, view):
        width, height, dark, mobile = VIEWS[view]
        self.browser.complaints.clear()
        self.browser.requests.clear()
        self.browser.view(width, height, dark, 2 if mobile else 1, mobile)
        self.browser.open(self.url)
        self.assertEqual(self.browser.complaints, [])
        self.assertEqual([r for r in self.browser.requests if not r.startswith("data:")], [self.url])

    def pictures(self, view):
        width = VIEWS[view][0]
        height = self.browser.evaluate("document.documentElement.scrollHeight")
        for i, top in enumerate(range(0, height, 1500)):
            self.browser.picture(os.path.join(PICTURES, "%s-%d.png" % (view, i)),
                                 {"x": 0, "y": top, "width": width, "height": min(1500, height - top)})

    def test_every_view(self):
        with open(self.path, encoding="utf-8") as text:
            count = text.read().count('class="chart"')
        for view, (width, _, _, mobile) in VIEWS.items():
            with self.subTest(view):
                self.open(view)
                self.pictures(view)
                self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"), width)
                charts = self.browser.evaluate(CHARTS)
                self.assertEqual(len(charts), count)
                for chart in charts:
                    self.assertEqual(chart["wrong"], [], chart["name"])
                    self.assertGreater(min(chart["width"], chart["height"]), 100, chart)
                    self.assertGreater(chart["marks"], 0, chart)
                    self.assertEqual(chart["black"], 0, chart)
                    self.assertGreater(chart["small"], 8 if mobile else 10, chart)

    def test_colours_can_be_read(self):
        for view in ("desk", "dark"):
            self.open(view)
            for name, ratio in self.browser.evaluate(CONTRAST).items():
                self.assertGreater(ratio, 4.5 if name[:2] in ("in", "so", "on") else 3, "%s: %s" % (view, name))

    def test_tables_sort_and_filter(self):
        self.open("desk")
        up, down, shown = self.browser.evaluate(SORT)
        self.assertEqual(self.browser.complaints, [])
        for column, reverse in ((up, False), (down, True)):
            numbers = [float(v) for v in column if v != "-"]
            self.assertEqual(numbers, sorted(numbers, reverse=reverse))
            self.assertEqual(column[len(numbers):], ["-"] * (len(column) - len(numbers)))
        self.assertGreater(len(set(up)), 3)
        self.assertEqual(set(shown), {"async equal"})

    def test_paper(self):
        self.open("desk")
        self.browser.pdf(os.path.join(PICTURES, "paper.pdf"))
        self.browser.call("Emulation.setDeviceMetricsOverride", width=1030, height=700, deviceScaleFactor=1, mobile=False)
        wide = self.browser.evaluate("[...document.querySelectorAll('table, figure')].filter("
                                     "(e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.id)")
        self.assertEqual(wide, [])
        self.assertEqual(self.browser.evaluate("getComputedStyle(document.querySelector('.filter')).display"), "none")


class Notices(unittest.TestCase):
    """What the tests above look for is found where it is."""

    def test_errors_requests_and_overlaps(self):
        path = os.path.abspath(os.path.join(PICTURES, "wrong.html"))
        os.makedirs(PICTURES, exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write('<!DOCTYPE html><body><img src="nothing.png"><figure class="chart" id="f"><svg viewBox="0 0 200 200" width="200">'
                      '<text x="20" y="20">one</text><text x="24" y="22">other</text><text x="190" y="99">beyond the edge</text></svg>'
                      "</figure><script>nothing.at.all()</script>")
        with browser.Browser() as one:
            one.view(800, 600)
            one.open("file://" + path)
            wrong = one.evaluate(CHARTS)[0]["wrong"]
            self.assertEqual(sorted(w.split(":")[0] for w in wrong), ["cut", "overlap"])
            self.assertTrue(any("nothing is not defined" in c for c in one.complaints), one.complaints)
            self.assertTrue(any(r.endswith("nothing.png") for r in one.requests))
