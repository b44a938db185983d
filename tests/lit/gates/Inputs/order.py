"""One statement builds one op: fails where several arguments of a call do, whose order C++ leaves to the host compiler.

    order.py ROOT            # check
    order.py ROOT --show     # print each of these calls
    order.py ROOT --write    # write today's counts; the file may only ever get shorter

An argument builds ops if it calls a `create`, or a function or lambda that gives a Value or takes a builder: found by name, in its
file or a header. The body of a lambda is no part of the argument in which it stands. Lists in braces are ordered."""
import pathlib
import re
import sys

import table

HELPER = re.compile(  # what gives values, new ones; what takes a builder
    r"\b(?:Value|pair<Value, Value>|(?:SmallVector|FailureOr)<Value>) (?:\w+::)*(\w+)\((?![^\n]*lookup)"
    r"|\b(\w+)\((?:mlir::)?\w*(?:Builder|Rewriter)(?:<>)? &")
LAMBDA = re.compile(r"\[[&=\w, *]*\] ?(?:\((?:[^()]|\([^()]*\))*\) ?)?(?:mutable ?)?(-> ?[\w:<>]+ )?\{")
CALL = re.compile(r"((?:\w+(?:\(\))?(?:\.|->|::))*)\b([A-Za-z_]\w*)(?:<[^<>()]*>)?\(")
NO_CODE = re.compile(r'//[^\n]*|^#[^\n]*|"(?:[^"\\\n]|\\.)*"', re.MULTILINE)
BUILDER = re.compile(r"(?:this->|\w*[bB](?:uilder)?\.|rewriter\.)?(?:\w+::)?")
OTHERS_HAVE = {"add", "at", "begin", "end", "max", "min", "load", "store"}  # these names count on a builder alone


def close(text, begin):
    """Where the group that opens at `begin` closes."""
    depth = 0
    for at in range(begin, len(text)):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if not depth:
            return at
    return len(text)


def builds(text, helpers):
    for prefix, name in CALL.findall(text):
        if name.lower().startswith("create"):
            return True
        if name not in helpers or prefix.startswith(("std::", "llvm::")):
            continue
        if name not in OTHERS_HAVE or BUILDER.fullmatch(prefix):
            return True
    return False


def arguments(text, begin, end, bodies):
    """Between `begin` and `end`, without the bodies of lambdas."""
    found, depth, at = [""], 0, begin
    while at < end:
        if at in bodies:
            at = bodies[at]
        elif text[at] == "," and not depth:
            found.append("")
        else:
            depth += (text[at] in "([{") - (text[at] in ")]}")
            found[-1] += text[at]
        at += 1
    return found


def unordered(text, helpers):
    """The calls of which several arguments build, as pairs of positions."""
    bodies = {match.end() - 1: close(text, match.end() - 1) for match in LAMBDA.finditer(text)}
    for match in CALL.finditer(text):
        begin, end = match.end(), close(text, match.end() - 1)
        if match[2] in ("for", "if", "get"):
            continue
        if sum(builds(argument, helpers) for argument in arguments(text, begin, end, bodies)) > 1:
            yield match.start(), end + 1


def functions(text):
    return {name for match in HELPER.finditer(text) for name in match.groups() if name and not re.match("get|is|has", name)}


def lambdas(text, helpers):
    for match in re.finditer(r"\bauto (\w+) = (?=\[)", text):
        head = LAMBDA.match(text, match.end())
        if head and ("Value" in (head[1] or "") or builds(text[head.end():close(text, head.end() - 1)], helpers)):
            yield match[1]


root, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
texts = {}
for folder in ("compiler", "dialect"):
    for path in sorted((root / folder).rglob("*")):
        if path.suffix in (".cpp", ".h"):
            text = NO_CODE.sub('""', path.read_text())
            if "create" in text or "Builder" in text:
                texts[path.relative_to(root).as_posix()] = text
if len(texts) < 40:
    sys.exit(f"{len(texts)} files seen: this gate looks in the wrong place")
shared = {name for path, text in texts.items() if path.endswith(".h") for name in functions(text)}
found = {}
for path, text in texts.items():
    helpers = shared | functions(text)
    for name in lambdas(text, helpers):
        helpers.add(name)
    calls = list(unordered(text, helpers))
    if calls:
        found[path] = len(calls)
    for begin, end in calls if "--show" in sys.argv else []:
        print(f"{path}:{text.count(chr(10), 0, begin) + 1}: {' '.join(text[begin:end].split())[:150]}")


def say(path, count, limit):
    return f"{path}: {count} calls have several arguments that build ops, {limit} are known"


table.compare(here / "order.txt", found, say, cure=lambda path: ": give each a statement (--show: where)")
