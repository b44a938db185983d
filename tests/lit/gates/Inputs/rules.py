"""Fails when a numbered rule of dialect/*.td has no negative test that is named after it. Usage: rules.py ROOT"""
import pathlib
import re
import sys

RULE = re.compile(r"^\s*- (C\d+):")

root = pathlib.Path(sys.argv[1])
tested = set()
for path in (root / "tests/lit/dialect").glob("*-errors.mlir"):
    tested |= set(re.findall(r"^// (\w+ C\d+)", path.read_text(), re.MULTILINE))

rules = []
for path in sorted((root / "dialect").glob("*.td")):
    owners = []
    text = path.read_text()
    # Operations made by a class with rules of its own share them.
    makers = {name: re.findall(rf': {name}<"(\w+)"', text) for name in re.findall(r"^class (\w+)<", text, re.MULTILINE)}
    for line in text.splitlines():
        start = re.match(r'^(def|class) (\w+)(?:<.*?>)? : (\w+)<(?:Kv_Dialect, )?(?:"(\w+)")?(?:, "(\w+)")?', line)
        if start:
            kind, name, base, first, second = start.groups()
            word = second if base == "Kv_Attr" else first
            owners = makers.get(name, []) if kind == "class" else [word.lower()] if word else []
        rule = RULE.match(line)
        if rule:
            rules += [f"{owner} {rule.group(1)}" for owner in owners]

missing = [rule for rule in rules if rule not in tested]
for rule in missing:
    print(f"{rule}: no test of tests/lit/dialect/*-errors.mlir begins with `// {rule}`")
unknown = sorted(tested - set(rules))
for rule in unknown:
    print(f"{rule}: a test names it, but dialect/*.td has no such rule")
if len(rules) < 40:
    sys.exit(f"{len(rules)} rules seen: this gate looks in the wrong place")
sys.exit(1 if missing or unknown else 0)
