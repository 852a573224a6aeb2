"""The mutants of a source: each a small change that makes a defect of it. C is read by libclang, assembly by line."""
import hashlib
import re
from dataclasses import dataclass, field

import clang.cindex as cindex

# What these are given is not what the kernel does, but what it says.
SPOKEN = re.compile(r"^(ASSERT|panic|panic_at|assertion_failed|_Static_assert|sizeof|offsetof|log_\w+|warn_once|"
                    r"console_print\w*)$")

INVERSE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
LOGICAL = {"&&": "||", "||": "&&"}
ARITHMETIC = {"+": "-", "-": "+", "/": "*", "%": "/", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "&",
              "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "<<=": ">>=", ">>=": "<<=", "++": "--", "--": "++"}
BOTH_WAYS = {"+", "-", "&"}  # also unary
LOCKS = {"irq_save": "IRQ_ENABLED", "critical_enter": "UINT64_C(0x200)",
         "irq_save_now": "(struct irq_moment){IRQ_ENABLED, clock_now_ns()}"}
FENCES = {"atomic_signal_fence", "atomic_thread_fence"}
SPLIT = {"or": "|", "and": "&", "add": "+", "sub": "-", "xor": "^"}
READ = "__extension__({ __auto_type a_ = %s; __auto_type v_ = atomic_load(a_); "
ATOMIC = re.compile(r"^atomic_(fetch_(or|and|add|sub|xor)|exchange|compare_exchange_(?:weak|strong))(_explicit)?$")
INTEGER = re.compile(r"^(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)$")


@dataclass
class Mutant:
    """`start` and `end` are places in the text of `path`; what lies between becomes `new`."""
    path: str
    function: str
    operator: str
    line: int
    start: int
    end: int
    new: str
    what: str
    key: str = field(default="")

    def apply(self, text):
        return text[:self.start] + self.new + text[self.end:]

    def rank(self):
        """A number below 1 that changes only if the mutant does, not with what is around it."""
        return int(hashlib.sha256(self.key.encode()).hexdigest()[:8], 16) / 2 ** 32


def flat(text, limit=60):
    text = " ".join(text.split())
    return text if len(text) <= limit else text[:limit - 3] + "..."


class Function:
    """The mutants of one function's definition."""

    def __init__(self, path, text, cursor):
        self.path, self.text, self.cursor = path, text, cursor
        self.found = []
        start, end = cursor.extent.start.offset, cursor.extent.end.offset
        body = [c for c in cursor.get_children() if c.kind == cindex.CursorKind.COMPOUND_STMT][0]
        self.body = body
        tokens = cursor.translation_unit.get_tokens(extent=body.extent)
        self.tokens = [t for t in tokens if t.kind != cindex.TokenKind.COMMENT and start <= t.extent.start.offset < end]
        self.closing = self.match()
        self.spoken = self.find_spoken()

    def match(self):
        closing, stack = {}, []
        for i, token in enumerate(self.tokens):
            if token.spelling in "([{":
                stack.append(i)
            elif token.spelling in ")]}" and stack:
                closing[stack.pop()] = i
        return closing

    def find_spoken(self):
        ranges = []
        for i, token in enumerate(self.tokens):
            if SPOKEN.match(token.spelling) and i + 1 in self.closing:
                ranges.append((token.extent.start.offset, self.tokens[self.closing[i + 1]].extent.end.offset))
        return ranges

    def is_spoken(self, start, end):
        return any(start < b and a < end for a, b in self.spoken)

    def add(self, operator, start, end, new, what=None):
        old = self.text[start:end]
        if self.is_spoken(start, end) or old == new:
            return
        line = self.text.count("\n", 0, start) + 1
        self.found.append(Mutant(self.path, self.cursor.spelling, operator, line, start, end, new,
                                 what or "%s -> %s" % (flat(old), flat(new))))

    # ---- by token

    def is_binary(self, i):
        token, before, after = self.tokens[i], self.tokens[i - 1], self.tokens[i + 1]
        if token.spelling not in BOTH_WAYS:
            return True
        if token.cursor.kind == cindex.CursorKind.BINARY_OPERATOR:
            return before.kind != cindex.TokenKind.PUNCTUATION or before.spelling in ")]"
        if token.cursor.kind == cindex.CursorKind.UNARY_OPERATOR:
            return False
        kinds = (cindex.TokenKind.IDENTIFIER, cindex.TokenKind.LITERAL)
        return before.kind in kinds and after.kind in kinds

    def operators(self):
        for i, token in enumerate(self.tokens[1:-1], 1):
            start, end, word = token.extent.start.offset, token.extent.end.offset, token.spelling
            around = flat(self.text[self.tokens[i - 1].extent.start.offset:self.tokens[i + 1].extent.end.offset])
            if word in INVERSE:
                self.add("relation", start, end, INVERSE[word], "%s: %s -> %s" % (around, word, INVERSE[word]))
            elif word in LOGICAL:
                self.add("logic", start, end, LOGICAL[word], "%s: %s -> %s" % (around, word, LOGICAL[word]))
            elif word in ARITHMETIC and self.is_binary(i):
                self.add("arithmetic", start, end, ARITHMETIC[word], "%s: %s -> %s" % (around, word, ARITHMETIC[word]))
            elif word == "!" and self.tokens[i + 1].spelling != "!":
                self.add("logic", start, end, "", "%s: without !" % around)
            elif word in ("true", "false"):
                self.add("constant", start, end, "false" if word == "true" else "true",
                         "%s: the other" % around)
            elif token.kind == cindex.TokenKind.LITERAL and INTEGER.match(word) and around != "{0}":
                number, suffix = INTEGER.match(word).groups()
                base = 16 if number[:2] in ("0x", "0X") else 10
                new = ("0x%x" if base == 16 else "%d") % (int(number, base) + 1) + suffix
                self.add("constant", start, end, new, "%s: %s -> %s" % (around, word, new))

    def conditions(self):
        for i, token in enumerate(self.tokens):
            if token.spelling not in ("if", "while") or i + 1 not in self.closing:
                continue
            start = self.tokens[i + 1].extent.end.offset
            end = self.tokens[self.closing[i + 1]].extent.start.offset
            condition = self.text[start:end]
            words = [t.spelling for t in self.tokens[i + 2:self.closing[i + 1]]]
            inverted = not any(word in LOGICAL for word in words) and ("==" in words or "!=" in words or "!" in words)
            if not inverted:  # else an operator's mutant is just that
                self.add("condition", start, end, "!(%s)" % condition,
                         "%s (%s): inverted" % (token.spelling, flat(condition)))
            if token.spelling == "if":
                self.add("condition", start, end, "(%s) && false" % condition, "if (%s): never" % flat(condition))

    def arguments(self, i):
        """The text of each argument of the call whose '(' is token i."""
        texts, depth, start = [], 0, self.tokens[i].extent.end.offset
        for token in self.tokens[i + 1:self.closing[i] + 1]:
            if token.spelling in "([{":
                depth += 1
            elif depth == 0 and token.spelling in (",", ")"):
                texts.append(self.text[start:token.extent.start.offset].strip())
                start = token.extent.end.offset
            elif token.spelling in ")]}":
                depth -= 1
        return texts

    def atomics(self):
        for i, token in enumerate(self.tokens):
            if i + 1 not in self.closing:
                continue
            word, start = token.spelling, token.extent.start.offset
            end = self.tokens[self.closing[i + 1]].extent.end.offset
            if word in LOCKS:
                self.add("lock", start, end, LOCKS[word], "%s(): interrupts stay on" % word)
                continue
            kind = ATOMIC.match(word)
            if not kind:
                continue
            given = self.arguments(i + 1)
            if kind.group(2):
                new = (READ + "atomic_store(a_, v_ %s (%s)); v_; })") % (given[0], SPLIT[kind.group(2)], given[1])
            elif kind.group(1) == "exchange":
                new = (READ + "atomic_store(a_, (%s)); v_; })") % (given[0], given[1])
            else:
                new = ("__extension__({ __auto_type a_ = %s; __auto_type e_ = %s; bool s_ = atomic_load(a_) == *e_; "
                       "if (s_) atomic_store(a_, (%s)); else *e_ = atomic_load(a_); s_; })" % tuple(given[:3]))
            self.add("atomic", start, end, new, "%s: in two steps" % flat(self.text[start:end]))

    # ---- by statement

    def kind_of(self, cursor):
        """call, assignment or None"""
        kinds = cindex.CursorKind
        kind = cursor.kind
        if kind == kinds.UNEXPOSED_EXPR or kind == kinds.CSTYLE_CAST_EXPR or kind == kinds.PAREN_EXPR:
            children = [c for c in cursor.get_children() if c.kind.is_expression()]
            return self.kind_of(children[-1]) if children else None
        if kind == kinds.CALL_EXPR or kind == kinds.StmtExpr:
            return "call"
        if kind == kinds.COMPOUND_ASSIGNMENT_OPERATOR:
            return "assignment"
        text = self.text[cursor.extent.start.offset:cursor.extent.end.offset]
        if kind == kinds.BINARY_OPERATOR and re.search(r"[^=!<>]=[^=]", text):
            return "assignment"
        if kind == kinds.UNARY_OPERATOR and ("++" in text or "--" in text):
            return "assignment"
        return None

    def statement(self, cursor):
        kinds = cindex.CursorKind
        start, end = cursor.extent.start.offset, cursor.extent.end.offset
        old = self.text[start:end]
        kind = self.kind_of(cursor)
        if kind:
            name = old.split("(")[0].strip()
            operator = "fence" if name in FENCES else kind
            self.add(operator, start, end, "(void)0", "without %s" % flat(old))
        elif cursor.kind == kinds.RETURN_STMT:
            self.returned(cursor, start, end)
        elif cursor.kind in (kinds.BREAK_STMT, kinds.CONTINUE_STMT):
            self.add("jump", start, end, "(void)0", "without %s" % old)
        return kind

    def returned(self, cursor, start, end):
        children = list(cursor.get_children())
        if not children:
            self.add("return", start, end, "(void)0", "without return")
            return
        value = children[0]
        first, last = value.extent.start.offset, value.extent.end.offset
        old = self.text[first:last]
        result = self.cursor.result_type.get_canonical().kind
        kinds = cindex.TypeKind
        if result == kinds.BOOL:
            if old not in ("true", "false"):  # those are constants
                self.add("return", first, last, "!(%s)" % old, "return !(%s)" % flat(old))
        elif result == kinds.POINTER:
            if old != "NULL":
                self.add("return", first, last, "NULL", "return NULL, not %s" % flat(old))
        elif result == kinds.ENUM:
            self.add("return", first, last, "(%s)((%s) ^ 1)" % (self.cursor.result_type.spelling, old),
                     "return another than %s" % flat(old))
        elif result not in (kinds.RECORD, kinds.VOID):
            self.add("return", first, last, "(%s) + 1" % old, "return (%s) + 1" % flat(old))

    def swap(self, first, second):
        a, b = first.extent.start.offset, first.extent.end.offset
        c, d = second.extent.start.offset, second.extent.end.offset
        if not a < b <= c < d or self.is_spoken(a, d):
            return
        named = [set(re.findall(r"[a-z_]\w*(?!\w*\()", self.text[x:y])) for x, y in ((a, b), (c, d))]
        if named[0] & named[1]:
            self.add("order", a, d, self.text[c:d] + self.text[b:c] + self.text[a:b],
                     "%s before %s" % (flat(self.text[c:d], 40), flat(self.text[a:b], 40)))

    def statements(self, cursor):
        kinds = cindex.CursorKind
        children = list(cursor.get_children())
        if cursor.kind == kinds.COMPOUND_STMT:
            before, before_kind = None, None
            for child in children:
                kind = self.statement(child)
                if kind and before_kind and "call" in (kind, before_kind):
                    self.swap(before, child)
                before, before_kind = child, kind
        elif cursor.kind in (kinds.IF_STMT, kinds.WHILE_STMT):
            for child in children[1:]:
                self.statement(child)
        elif cursor.kind in (kinds.FOR_STMT, kinds.CASE_STMT, kinds.DEFAULT_STMT):
            if children:
                self.statement(children[-1])
        elif cursor.kind == kinds.DO_STMT and children:
            self.statement(children[0])
        for child in children:
            if child.kind.is_statement():
                self.statements(child)

    def all(self):
        self.operators()
        self.conditions()
        self.atomics()
        self.statements(self.body)
        return self.found


def of_c(path, text, flags):
    unit = cindex.Index.create().parse(path, args=["-x", "c"] + flags)
    wrong = [d for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
    if wrong:
        raise ValueError("%s: %s" % (path, wrong[0]))
    found = []
    for cursor in unit.cursor.get_children():
        if cursor.kind != cindex.CursorKind.FUNCTION_DECL or not cursor.is_definition():
            continue
        if cursor.location.file and cursor.location.file.name == path and text[cursor.extent.start.offset:].strip():
            if text.find("{", cursor.extent.start.offset, cursor.extent.end.offset) < 0:
                continue  # made by a macro
            found += Function(path, text, cursor).all()
    return found


INSTRUCTION = re.compile(r"^(\s+|\d:\s*)((?:rep )?[a-z][a-z0-9]*\b.*|IRQ_SITE\(.*|RETURN_WITH_FLAGS)$")
JUMPS = {"jae": "jb", "jnz": "jz", "jz": "jnz", "jne": "je", "je": "jne", "jb": "jae"}
MACROS = ("function", "may_fault", "exception_stub", "interrupt_stub", "stub_address")


def of_assembly(path, text):
    """Each instruction left out; two pushes or pops in a row the other way round; each number another; each jump that
    depends on something the other way."""
    found, place, function, before, lines = [], 0, "", None, text.split("\n")
    inside = commented = False
    for number, line in enumerate(lines, 1):
        start, place = place, place + len(line) + 1
        if line.startswith("/*") or commented:
            commented = "*/" not in line
            continue
        code = re.sub(r"/\*.*", "", line).rstrip()
        if re.match(r"\s*\.(bss|data|section|pushsection)", code):
            inside = False
        elif re.match(r"\s*\.(text|popsection)", code):
            inside = True
        label = re.match(r"^([a-z_]\w*):|\s+(?:function|\.macro) (\w+)", code)
        if label:
            function = label.group(1) or label.group(2)
        match = INSTRUCTION.match(code)
        if not inside or not match or match.group(2).split()[0] in MACROS:
            before = None
            continue
        instruction = match.group(2).strip()
        first, last = start + match.start(2), start + match.start(2) + len(match.group(2))

        def add(operator, a, b, new, what):
            found.append(Mutant(path, function, operator, number, a, b, new, what))
        if instruction.split()[0] not in ("ud2", "nop"):  # of which nothing comes
            add("instruction", first, last, "", "without %s" % instruction)
        word = instruction.split()[0]
        if word in JUMPS:
            add("jump", first, first + len(word), JUMPS[word], "%s: %s" % (instruction, JUMPS[word]))
        for value in re.finditer(r"\$(\d+)|\b(\d+)(?=\(%)", instruction):
            group = 1 if value.group(1) else 2
            old = int(value.group(group))
            new = str(old + (8 if old % 8 == 0 else 1))
            add("constant", first + value.start(group), first + value.end(group), new,
                "%s: %d -> %s" % (instruction, old, new))
        if before and word in ("push", "pop") and before[2].split()[0] == word:
            add("order", before[0], last, instruction + text[before[1]:first] + before[2],
                "%s before %s" % (instruction, before[2]))
        before = (first, last, instruction)
    return found


def of_file(path, text, flags):
    found = of_assembly(path, text) if path.endswith(".S") else of_c(path, text, flags)
    kept, seen, places = [], {}, set()
    for mutant in found:
        if (mutant.start, mutant.end, mutant.new) in places:
            continue
        places.add((mutant.start, mutant.end, mutant.new))
        name = "\t".join((mutant.path, mutant.function, mutant.operator, mutant.what))
        seen[name] = seen.get(name, 0) + 1
        mutant.key = name + ("" if seen[name] == 1 else " #%d" % seen[name])
        kept.append(mutant)
    return kept
