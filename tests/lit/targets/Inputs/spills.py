"""Fails when a product loop of an attend kernel touches the stack with a vector: its accumulators do not fit the registers.

Usage: spills.py FILE.s...   A product loop is an innermost loop with at least four dot or packed multiply-add instructions.
"""
import re
import sys

# Of x86 and of AArch64, one after the other.
DOT = re.compile(r"^\s+(v(pdp\w+|dpbf16ps|fn?madd\w+ps)|[su]dot|usdot|bfdot|fmla|fmad)\s")
STACK = re.compile(r"^\s+(v\w+\s.*\(%rsp[,)]|(ld|st)\w+\s+\{?\s*[qvz]\d.*\[sp\b)")
STACK_OR_FRAME = re.compile(STACK.pattern + r"|^\s+v\w+\s.*-?\d+\(%rbp\)")  # %rbp is the frame where it was set to %rsp
LABEL = re.compile(r"^(\.LBB\d+_\d+):")
FUSED = re.compile(r"^\s+(callq|jmp|bl?)\s+\w+__attend\b")  # a fused kernel calls the plain one
JUMP = re.compile(r"^\s+(?:j\w+|b(?:\.\w+)?|cbn?z|tbn?z)\s+(?:.*\s)?(\.LBB\d+_\d+)")


def functions(text):
    name, lines = None, []
    for line in text.splitlines():
        start = re.match(r"^(\w+__attend):", line)
        if start:
            name, lines = start.group(1), []
        elif name and line.startswith(".Lfunc_end"):
            yield name, lines
            name = None
        elif name:
            lines.append(line)


def productLoops(lines):
    labels, loops = {}, []
    for number, line in enumerate(lines):
        label, jump = LABEL.match(line), JUMP.match(line)
        if label:
            labels[label.group(1)] = number
        if jump and jump.group(1) in labels:
            loops.append((labels[jump.group(1)], number))
    innermost = [(a, b) for a, b in loops if not any(a <= c and d <= b and (a, b) != (c, d) for c, d in loops)]
    bodies = [lines[a:b + 1] for a, b in innermost]
    return [body for body in bodies if sum(bool(DOT.match(line)) for line in body) >= 4]


bad = 0
for path in sys.argv[1:]:
    found = 0
    for name, lines in functions(open(path).read()):
        if any(FUSED.match(line) for line in lines):
            continue
        loops = productLoops(lines)
        found += len(loops)
        if not loops:
            bad += 1
            print(f"{path}: {name}: no product loop found")
        stack = STACK_OR_FRAME if any("movq\t%rsp, %rbp" in line for line in lines) else STACK
        for body in loops:
            for line in body:
                if stack.match(line):
                    bad += 1
                    print(f"{path}: {name}: {line.strip()}")
    print(f"{path}: {found} product loops")
sys.exit(1 if bad else 0)
