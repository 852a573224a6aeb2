"""What kernels counted becomes what gcov reads; and the report finds what is too low, or has no reason."""

import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "coverage"))
import merge
import report

SOURCE = """int f(int a)
{
    if (a > 3)
        return 1;
    return a & 1 ? 2 : 3;
}
int never(void)
{
    return 4;
}
int main(void)
{
    int sum = 0;
    for (int i = 0; i < 300; i++)
        sum += f(i);
    return sum == 0;
}
"""
END = b"GCOV" + bytes(4) + struct.pack("<I", 1)


def varint(number):
    low = number & 127
    return bytes([low]) if number < 128 else bytes([low | 128]) + varint(number >> 7)


def framed(content):
    return b"GCOV" + struct.pack("<I", len(content)) + content + struct.pack("<I", zlib.adler32(content))


def words_of(path):
    data = path.read_bytes()
    return struct.unpack(f"<{len(data) // 4}I", data)


def sent(name, gcda):
    """The frame that a kernel sends which counted what a program of the host wrote into its .gcda."""
    words = words_of(gcda)
    content = name.encode() + b"\0" + b"".join(varint(word) for word in words[1:4])
    at = 8  # behind the summary
    while words[at]:
        function, (tag, size) = words[at + 2:at + 5], words[at + 5:at + 7]
        assert tag == merge.TAG_ARCS
        at += 7
        if size >= 1 << 31:
            continue  # all are zero: nothing is said
        counts = [words[at + i] | words[at + i + 1] << 32 for i in range(0, size // 4, 2)]
        content += b"".join(varint(word) for word in function) + varint(len(counts))
        content += b"".join(varint(count) if count else b"\0\1" for count in counts)
        at += size // 4
    return framed(content)


class Merging(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.runs = self.folder / "runs"
        self.runs.mkdir()
        (self.folder / "x.c").write_text(SOURCE)
        self.run_in("gcc", "-O0", "--coverage", "-c", "x.c", "-o", "x.o")
        self.run_in("gcc", "--coverage", "x.o", "-o", "x")
        self.run_in("./x")
        self.frame = sent(str(self.folder / "x.gcda"), self.folder / "x.gcda")
        self.by_gcc = self.gcov()

    def run_in(self, *command):
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def gcov(self):
        return [line for line in self.run_in("gcov", "-b", "-t", "x.gcda").splitlines() if ":Runs:" not in line]

    def merged(self, *machines):
        for i, data in enumerate(machines):
            (self.runs / str(i)).write_bytes(data)
        (self.folder / "x.gcda").unlink()
        with open(os.devnull, "w") as nowhere:
            stdout, sys.stdout = sys.stdout, nowhere
            try:
                merge.main(str(self.folder), str(self.runs))
            finally:
                sys.stdout = stdout
        return self.gcov()

    def test_one_machine_is_what_gcc_itself_writes(self):
        self.assertEqual(self.merged(self.frame + END), self.by_gcc)

    def test_machines_and_frames_of_one_add_up(self):
        once = "      300:    3:    if (a > 3)"
        self.assertIn(once, self.by_gcc)
        self.assertIn(once.replace(" 300", " 900"), self.merged(self.frame + END, self.frame + self.frame + END))

    def test_a_damaged_frame_is_left_out_and_the_next_is_not(self):
        damaged = bytearray(self.frame)
        damaged[len(damaged) // 2] ^= 1
        good = (self.frame + END,) * 150
        of_good = self.merged(*good)
        for bad in (bytes(damaged), self.frame[:20], b"GCOV"):
            self.assertEqual(self.merged(bad + self.frame + END, *good[1:]), of_good)

    def test_another_builds_counts_are_no_measurement(self):
        name, _, rest = self.frame[8:-4].partition(b"\0")
        other = framed(name + b"\0" + rest[:5] + varint(7) + rest[10:])
        with self.assertRaises(SystemExit):
            self.merged(other + END)

    def test_what_never_ran_is_found_as_such(self):
        self.assertIn("    #####:    3:    if (a > 3)", self.merged(END))


class Reporting(unittest.TestCase):
    def info(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".info") as file:
            file.write(f"SF:{report.TOP}/src/lib/mem.c\n{text}\nend_of_record\n")
            file.flush()
            return report.read_info(file.name)

    def test_lines_functions_and_branches_are_counted(self):
        text = "FN:3,f\nFN:9,g\nFNDA:1,f\nFNDA:0,g\nDA:3,2\nDA:4,0\nDA:9,0\nBRDA:3,0,0,-\nBRDA:3,0,1,0\nBRDA:3,0,2,5"
        figures = report.sums(self.info(text))["lib"]
        self.assertEqual(figures, {"lines": [1, 3], "functions": [1, 2], "branches": [1, 3]})
        self.assertEqual(self.info(text)["src/lib/mem.c"].function_of(4), "f")
        self.assertEqual(self.info(text)["src/lib/mem.c"].function_of(9), "g")

    def test_runs_of_lines_are_told_by_their_ends(self):
        self.assertEqual(report.spans([7, 1, 2, 3, 9]), "1-3, 7, 9")

    def test_the_first_reason_that_fits_counts(self):
        rules = [("src/lib/*.c", None, re.compile("x y"), "text"), ("src/lib/a.c", "f*", None, "name")]
        self.assertEqual(report.reason("src/lib/a.c", "far", "x y", rules, set()), "text")
        self.assertEqual(report.reason("src/lib/a.c", "far", "x", rules, set()), "name")
        self.assertIsNone(report.reason("src/lib/b.c", "far", "x", rules, set()))


if __name__ == "__main__":
    unittest.main()
