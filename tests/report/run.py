#!/usr/bin/env python3
"""Runs the tests of one module, shows what failed, and ends with 'N passed, N failed'. What is skipped is said."""

import importlib
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


class Result(unittest.TextTestResult):
    """Counts what passed: a class that is skipped whole is one skip, and no test run."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main(name):
    suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(name))
    result = unittest.TextTestRunner(verbosity=1, resultclass=Result).run(suite)
    failed = len(result.failures) + len(result.errors)
    for test, reason in result.skipped:
        print("skipped: %s: %s" % (test, reason))
    print("%d passed, %d failed" % (result.passed, failed))
    return 1 if failed or not result.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "test_report"))
