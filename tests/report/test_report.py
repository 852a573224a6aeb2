"""The page of `make bench`, without a browser: its numbers, its charts, its words."""

import contextlib
import html.parser
import io
import json
import os
import re
import tempfile
import unittest
import xml.etree.ElementTree

import sample  # first: it says where the lab's modules are
import check
import histogram
import plan
import plots
import report
import verdict

BUILT = os.path.join(report.HERE, "..", "..", "build", "bench")
VOID = {"meta", "link", "input", "br", "rect", "circle"}
OPERATIONS = {"-": lambda a, b: a - b, "+": lambda a, b: a + b, "/": lambda a, b: a / b}


class Page(html.parser.HTMLParser):
    """Elements, in order; fails on an end that is none's."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.unbalanced = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def all(self, tag, **attributes):
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in attributes.items())]


def lookup(files, path):
    name, *keys = path.split("/")
    node = files[name]
    for key in keys:
        node = node[int(key)] if isinstance(node, list) else node[key]
    return node


def evaluate(files, of):
    """What a number says of itself, from the data: operands, and behind them what is done with them."""
    stack = []
    for word in of:
        if word == "#":
            stack.append(len(stack.pop()))
        elif word.startswith("#"):
            stack = [len(stack)] if len(stack) == int(word[1:]) and all(stack) else []
        elif word in OPERATIONS:
            right, left = stack.pop(), stack.pop()
            stack.append(OPERATIONS[word](left, right))
        else:
            stack.append(lookup(files, word))
    (value,) = stack
    return value


def text_of(markup):
    return re.sub(r"<[^>]*>", "", markup)


class Claims:
    """What must hold of any page. `files` is the data, `text` the page."""

    def test_every_number_is_the_data_s(self):
        seen = 0
        for match in re.finditer(r'<data value="([^"]*)" data-of="([^"]*)">([^<]*)</data>', self.text):
            value, of, shown = match.groups()
            expected = evaluate(self.files, of.split())
            self.assertAlmostEqual(float(value), expected, msg=match.group(0))
            self.assertEqual(shown, verdict.Number(type(expected)(float(value)), []).text())
            seen += 1
        self.assertEqual(seen, len(self.page.all("data")))
        self.assertGreater(seen, 500)

    def test_every_number_of_the_verdict_is_marked(self):
        section = re.search(r'<section id="verdict">.*?</section>', self.text, re.S).group(0)
        bare = re.sub(r"<data.*?</data>|<code>.*?</code>|<[^>]*>", "", section)
        for word in re.findall(r"[\d.,]*\d", bare):
            self.assertIn(word, ("1", "2", "10", "100", "1,000"), bare)  # how long polls are, how many neighbours, MUCH

    def test_each_cell_has_its_row(self):
        table = re.search(r'<table id="cells">.*?<tbody>(.*?)</tbody>', self.text, re.S).group(1)
        self.assertEqual(table.count("<tr>"), len(self.files["results"]["lab"]["cells"]))
        for row, cell in zip(table.split("</tr>"), self.files["results"]["lab"]["cells"]):
            if cell["delivered"]:
                self.assertIn('<data value="%d"' % cell["stages"]["event"]["p50"], row)

    def test_charts_are_drawn(self):
        figures = re.findall(r'<figure id="([^"]*)" class="chart">(.*?)</figure>', self.text, re.S)
        self.assertGreaterEqual(len(figures), 15)
        for name, body in figures:
            svg = xml.etree.ElementTree.fromstring(re.search(r"<svg.*?</svg>", body, re.S).group(0))
            marks = [e for e in svg.iter() if re.search("var\\(--(%s)" % "|".join(plots.NAMES[4:]), e.get("style", ""))]
            self.assertTrue(marks, name)
            self.assertTrue([e for e in svg.iter("text") if e.text], name)
            self.assertNotIn("NaN", body)
            self.assertNotIn("black", body, name)

    def test_each_figure_has_its_command(self):
        blocks = re.findall(r'<(?:figure|table) id="([^"]*)".*?<details class="command"><summary>Command</summary><pre>(.*?)</pre>',
                            self.text, re.S)
        self.assertEqual(len(blocks), len(self.page.all("figure")) + len(self.page.all("table")))
        words = {c["words"] for c in self.files["results"]["lab"]["cells"]}
        for name, command in blocks:
            self.assertTrue(command.strip(), name)
            for given in re.findall(r"^cell &#x27;(.*)&#x27;$", command, re.M):
                self.assertIn(given, words, name)

    def test_nothing_is_fetched(self):
        for tag, attributes in self.page.elements:
            self.assertNotIn(tag, ("img", "iframe", "object", "embed"))
            self.assertNotIn("src", attributes, tag)
            href = attributes.get("href", "#")
            self.assertTrue(href.startswith("#") or href == "data:,", href)
        for word in ("url(", "@import", "fetch(", "XMLHttpRequest", "http://", "https://"):
            self.assertNotIn(word, self.text)

    def test_identifiers_are_unique_and_found(self):
        names = [a["id"] for _, a in self.page.elements if "id" in a]
        self.assertEqual(len(names), len(set(names)), sorted(n for n in names if names.count(n) > 1)[:5])
        for _, attributes in self.page.elements:
            if attributes.get("href", "").startswith("#"):
                self.assertIn(attributes["href"][1:], names)

    def test_elements_are_closed(self):
        self.assertEqual((self.page.unbalanced, self.page.open), ([], []))

    def test_colours_are_the_page_s_in_both_schemes(self):
        style = self.text[self.text.index("<style>"):self.text.index("</style>")]
        light, dark = style.split("prefers-color-scheme: dark", 1)
        used = set(re.findall(r"var\(--([\w]+)\)", self.text))
        for scheme in (light, dark):
            self.assertEqual(used - set(re.findall(r"--([\w]+):", scheme)), set())
        self.assertNotRegex(self.text, r"rgb\(\s*1,\s*2,")


class Built(Claims, unittest.TestCase):
    """The page of the last `make bench`, if there is one."""

    @classmethod
    def setUpClass(cls):
        try:
            with open(os.path.join(BUILT, "report.html"), encoding="utf-8") as text:
                cls.text = text.read()
            data = report.data_of(BUILT)
        except (OSError, report.Unusable) as error:
            raise unittest.SkipTest("there is none: %s" % error)
        if data.lab["quick"]:
            raise unittest.SkipTest("it is of a quick run")
        cls.files, cls.page = data.files, Page(cls.text)


def page_of(linux=None, external=None, **changes):
    return report.page(verdict.Data(sample.results(**changes), linux, external))


class Sample(Claims, unittest.TestCase):
    """A page out of a model."""

    @classmethod
    def setUpClass(cls):
        data = verdict.Data(sample.results(), sample.linux(), sample.external())
        cls.files, cls.text = data.files, report.page(data)
        cls.page = Page(cls.text)

    def test_twice_is_the_same_page(self):
        self.assertEqual(self.text, page_of(sample.linux(), sample.external()))

    def test_the_wall_clock_s_figures_stand_nowhere(self):
        rows = re.search(r'<table id="external">.*?<tbody>(.*?)</tbody>', self.text, re.S).group(1).split("</tr>")
        self.assertIn("375", rows[0])
        self.assertIn("free", rows[2])
        self.assertNotIn("375", rows[2])

    def test_one_table_has_every_kernel_and_style_by_one_stopwatch(self):
        heads, body = re.search(r'<table id="outside"><thead>(.*?)</thead><tbody>(.*?)</tbody>', self.text, re.S).groups()
        self.assertEqual(heads.count("<th "), 3 + len(report.OUTSIDE))
        rows = [[html.unescape(text_of(cell)) for cell in re.findall(r"<td.*?</td>", row)] for row in body.split("</tr>") if row.strip()]
        self.assertEqual(len(rows), 2 * 2 * len(report.MEASURES))
        self.assertIn(["a key", "CPU busy", "to the delivery", "375", "469", "1,125", "5,625", "8,625", "6,375", "-", "16,875", "-", "-", "-"], rows)
        self.assertIn(["a motion", "CPU idle", "to the port's read", "33", "33", "33", "286", "286", "286", "-", "286", "-", "-", "-"], rows)


class Verdict(unittest.TestCase):
    """A sentence stands where its condition holds, and not elsewhere."""

    def words(self, linux=None, external=None, **changes):
        data = verdict.Data(sample.results(**changes), linux, external)
        return text_of(verdict.short_answer(data) + " " + report.verdict_section(data))

    def test_as_measured(self):
        text = self.words()
        for part in ("A future is as good as a thread when its executor is as urgent", "nothing else on that executor computes for long",
                     "58 instructions later", "Urgency decides", "Bursts favour it", "Not as good beside a neighbour",
                     "With preempt=off", "109 times as much", "No event was lost", "the same."):
            self.assertIn(part, text)
        self.assertNotIn("Linux", text)

    def test_neighbours_that_do_no_harm(self):
        text = self.words(neighbours=False)
        self.assertNotIn("Not as good beside a neighbour", text)
        self.assertNotIn("computes for long", text)
        self.assertIn("A neighbour's poll did not make", text)

    def test_a_slow_future(self):
        text = self.words(path={**sample.MODEL["path"], "async": 5000})
        self.assertIn("Not as good, though nobody computes on its executor", text)
        self.assertNotIn("A future is as good as a thread when its executor is as urgent", text)

    def test_a_fast_future(self):
        text = self.words(path={**sample.MODEL["path"], "async": 300})
        self.assertIn("the future is sooner by 36", text)
        self.assertNotIn("instructions later", text)

    def test_jitter(self):
        self.assertIn("the thread has less", self.words(spread={**sample.MODEL["spread"], "async": 150}))
        self.assertIn("the future has less", self.words(spread={**sample.MODEL["spread"], "thread": 150}))

    def test_memory_the_other_way_round(self):
        text = self.words(memory={**sample.MODEL["memory"], "async": (20000, 0, 0)})
        self.assertNotIn("times as much", text)
        self.assertNotIn("bytes instead of", text)

    def test_losses(self):
        self.assertIn("dropped and counted", self.words(dropped=5))
        self.assertIn("Not accounted for", self.words(disordered=1))

    def test_linux(self):
        self.assertIn("the kernels by 11.46 times", self.words(sample.linux()))
        self.assertNotIn("Linux", self.words(sample.linux("tsc")))

    def test_from_outside(self):
        text = self.words(external=sample.external())
        self.assertIn("a key is delivered after 469 as a future and 375 as a thread, by Linux after 5,625 and by PREEMPT_RT after 16,875", text)
        self.assertNotIn("Timed from outside", self.words())
        self.assertNotIn("Timed from outside", self.words(external=sample.external(), timebase="tsc"))

    def test_another_time_base(self):
        text = text_of(page_of(timebase="tcg"))
        self.assertIn("noise", text)
        self.assertNotIn("Every figure counts instructions", text)
        self.assertIn("cycles of this machine", text_of(page_of(timebase="tsc")))

    def test_cells_that_are_missing_are_not_spoken_of(self):
        results = sample.results()
        results["lab"]["cells"] = [c for c in results["lab"]["cells"] if c["driver"] == "isr"]
        data = verdict.Data(results)
        self.assertIn("not among the results", text_of(verdict.short_answer(data)))
        self.assertIn('id="cells"', report.page(data))

    def test_a_quick_run_has_a_page(self):
        text = page_of(quick=True)
        self.assertIn("A quick run", text)
        self.assertGreater(text.count('class="chart"'), 8)


class Parts(unittest.TestCase):
    def test_percentile_curves_pass_through_the_percentiles(self):
        one = sample.histogram_of([(i * i * 7919) % 100003 for i in range(20000)])
        points = plots.percentile_steps(one)
        for tail in (2, 10, 100, 1000):
            value = histogram.percentile(one, tail)
            around = [v for at, v in points if at >= tail * 0.999][:1] + [v for at, v in points if at <= tail * 1.001][-1:]
            self.assertTrue(min(around) <= value <= max(around), (tail, value, around))
        self.assertLessEqual(max(at for at, _ in points), one["n"] / histogram.ENOUGH_BEYOND)
        self.assertEqual(points, sorted(points))

    def test_short_numbers(self):
        for value, text in ((0, "0"), (491, "491"), (999, "999"), (1000, "1k"), (9949, "9.9k"), (9990, "10k"), (999600, "1M"),
                            (10**7, "10M"), (1584026517, "1.6G")):
            self.assertEqual(plots.short(value), text)

    def test_rows_are_in_the_plan_s_order(self):
        cells = [{"factor": plan.factor(c), "words": plan.command_line(c)} for c in plan.lab() if c["driver"] == "async"]
        places = [report.plan_place(c) for c in cells if c["factor"] != "seed"]
        self.assertEqual(sorted(set(places)), list(range(len(set(places)))))

    def test_bars_and_peers_name_figures(self):
        bars = json.loads(report.read("peers.json"))["bars"]
        self.assertEqual(bars["thread.yield"], 60)
        self.assertEqual(report.peers()["thread.yield"], ["171 / 130", "234 / 227", "1,758", "-"])

    def run_in(self, files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
                    out.write(text)
            said = io.StringIO()
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                status = report.main([folder])
            return status, said.getvalue(), sorted(os.listdir(folder))

    def test_what_makes_no_page_is_named(self):
        mixed = sample.results(quick=True)
        mixed["micro"][0]["timebase"] = "tsc"
        for files, says in (({}, "has no lab"), ({"results.json": "{}"}, "has no lab"), ({"results.json": "{"}, "not JSON"),
                            ({"results.json": json.dumps(mixed)}, "several time bases")):
            status, said, left = self.run_in(files)
            self.assertEqual((status, left), (1, sorted(files)))
            self.assertIn(says, said)

    def test_a_page_is_written_whole(self):
        status, said, left = self.run_in({"results.json": json.dumps(sample.results(quick=True))})
        self.assertEqual((status, left), (0, ["report.html", "results.json"]), said)

    def test_gnuplot_s_complaint_is_passed_on(self):
        with self.assertRaises(plots.Failure):
            plots.draw("x", "x", ["plot nonsense("])


assert check  # what the verdict's limits are of
