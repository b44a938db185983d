"""odd-names.py FILE.kv FOLDER INCLUDE: compiles copies of odd names; everything they make must be there, and the manifest be JSON."""
import json
import os
import shutil
import subprocess
import sys

source, folder = sys.argv[1].encode(), sys.argv[2].encode()
for name in (b"a b", b"%41", b"new\nline", b"caf\xc3\xa9", b"no\xff\xfeutf", b"quote\"'`$HOME", b"-dash", b"*?[", b"a\\b"):
    here = os.path.join(folder, name)
    os.makedirs(here)
    copy = os.path.join(here, name + b".kv")
    shutil.copy(source, copy)
    for options in ([], [b"--name", name + b"2"] if not name.startswith(b"-") else []):
        stem = name + b"2" if options else name
        subprocess.run([b"kvcc", b"compile", copy, b"--target", b"generic", b"-o", here, *options], check=True)
        for made in (b"lib" + stem + b".a", stem + b".h", stem + b".json", stem + b".d"):
            assert os.path.getsize(os.path.join(here, made)), made
        with open(os.path.join(here, stem + b".json"), encoding="utf-8") as manifest:
            json.load(manifest)
        subprocess.run([b"cc", b"-std=c99", b"-Wall", b"-Wextra", b"-Werror", b"-fsyntax-only", b"-x", b"c",
                        b"-I" + sys.argv[3].encode(), os.path.join(here, stem + b".h")], check=True)
    shown = subprocess.run([b"kvcc", b"verify", copy, b"--target", b"generic", b"--quick", b"--json"], check=True, capture_output=True)
    json.loads(shown.stdout)
    wrong = os.path.join(here, b"wrong.kv")
    with open(wrong, "w") as file:
        file.write("cache c(")
    shown = subprocess.run([b"kvcc", b"check", b"--json", wrong], capture_output=True)
    assert shown.returncode == 1
    assert json.loads(shown.stdout)
