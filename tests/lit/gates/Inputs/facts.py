"""A fact has one home: fails where code derives one elsewhere more often than facts.txt says, and where it says more than there is.

    facts.py ROOT            # check
    facts.py ROOT --write    # write today's counts; the file may only ever get shorter

Usage in review: a line of facts.txt that grows is a second home of its fact."""
import pathlib
import re
import sys

import table

FACTS = {  # pattern, in sources, and the home that may have it
    "offset of a field": (r"offsetof\(kv_", ("compiler/kernels/LowerEntry.cpp", "runtime/src/check_")),  # and who refuses it by name
    "lanes are threads": (r"\bgetThreads\(|\bb\.threads\b|\bchoice\.threads\b|\bschedule\.threads\b",
                          ("compiler/schedule/", "compiler/distribute/", "dialect/KvSchedule")),
    "route": (r"\bgetRoute\(|capabilities\.halide|\btakesHalide\(", ("compiler/schedule/", "compiler/halide/", "compiler/targets/")),
    "key or value": (r"\bisKey\b|== Stream::key|Stream::key \?|!= Stream::key", "dialect/Cache/"),
    "token to page and slot": (r"b\.(?:div|rem)\([^;]*(?:slots|tokensPerPage\(\)|inPage)\)|[/%] (?:\w+(?:->|\.))?(?:page_tokens|map\.slots)\b",
                               "dialect/TokenMap.h"),  # its twin is runtime/include/kv/kv_tokens.h
    "what codes are": (r"\bisInteger\(\)", "compiler/codecs/"),
    "region of a page": (r"\bRegionRole::", "dialect/Storage"),
    "who sees what": (r"\bcausal\b", "compiler/policy/AnalyzeMask.cpp"),
    # What one feature is called: it composes if few files know of it.
    "sinks": (r"(?i:sinks)",
              ("compiler/frontend/", "dialect/KvOps", "dialect/KvAttrs", "compiler/kernels/Finish.cpp", "compiler/reference/", "tools/kvcc/Verify",
               "runtime/src/check_")),  # who refuses other roles by name
    "f8e4m3": (r"(?i:e4m3)", ("compiler/frontend/", "dialect/Kv", "compiler/codecs/Scalar.cpp", "compiler/reference/codecs/Scalar",
                              "compiler/targets/", "tools/kvcc-halide/", "tools/kvcc/Verify")),
    "form of a partial": (r"(?:\b[dD]im|getValueDim\(\)|channels) \+ 2\b", "compiler/kernels/Partial.h"),
}

root, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
found = {}
seen = 0
for folder in ("compiler", "dialect", "runtime/src", "tools"):
    for path in sorted((root / folder).rglob("*")):
        if path.suffix not in (".c", ".cpp", ".h"):
            continue
        seen += 1
        text, name = path.read_text(), path.relative_to(root).as_posix()
        for fact, (pattern, home) in FACTS.items():
            count = len(re.findall(pattern, text))
            if count and not name.startswith(home):
                found[f"{fact}: {name}"] = count
if seen < 40:
    sys.exit(f"{seen} files seen: this gate looks in the wrong place")


def say(key, count, limit):
    fact, _, name = key.partition(": ")
    return f"{name}: `{fact}` stands here {count} times, {limit} are known"


table.compare(here / "facts.txt", found, say, cure=lambda key: f"; its home is {FACTS[key.partition(': ')[0]][1]}")
