"""Where the statements of a traceback end, asked once. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_statements.py.
"""

import collections

FILES_MAX = 16


class Statements:
    """Stands in for getstatementrange_ast of pytest and gives the same answers.

    pytest parses the whole file anew for each failure, the expected ones included: in a suite with
    many of them that takes longer than its tests, and the trees keep the garbage collector busy.
    What is kept are line numbers, of the last files that tracebacks have led to.
    """

    def __init__(self, original):
        self.original = original
        self.files = collections.OrderedDict()  # by content: a test may write a file anew

    def __call__(self, lineno, source, assertion=False, astnode=None):
        lines = tuple(source.lines)
        known = self.files.get(lines)
        if known is None:
            known = self.files[lines] = {}
            if len(self.files) > FILES_MAX:
                self.files.popitem(last=False)
        else:
            self.files.move_to_end(lines)
        if lineno in known:
            return (astnode, *known[lineno])
        astnode, start, end = self.original(lineno, source, assertion, astnode)
        known[lineno] = start, end
        return astnode, start, end


def remember_statements():
    """In this process, from now on; where this pytest has no such function nothing changes."""
    from _pytest._code import code

    original = getattr(code, "getstatementrange_ast", None)
    if original is not None:
        code.getstatementrange_ast = Statements(original)
