"""headers.py CC INCLUDE LIBKVRT: the headers hold declarations alone, which cffi and its like can read, and libkvrt.so has what they
declare and nothing else."""
import ctypes, os, re, subprocess, sys, tempfile

cc, include, library = sys.argv[1:]
SIZE = 848  # of kv_step
with tempfile.TemporaryDirectory() as stubs:  # of these, such tools know the types
    for name in ("stdint.h", "string.h", "stddef.h"):
        open(os.path.join(stubs, name), "w").close()
    source = '#include "kv/kv_gpu.h"\n'
    text = subprocess.run([cc, "-E", "-P", "-nostdinc", "-I", stubs, "-I", include, "-x", "c", "-"], input=source, text=True,
                          check=True, capture_output=True).stdout
for word in ("inline", "__attribute__", "static"):
    assert not re.search(rf"\b{word}\b", text), f"`{word}` in a header"
assert not re.search(r"\)\s*{", text), "a function's body in a header"
declared = set(re.findall(r"\b(kv_\w+)\s*\(", re.sub(r"typedef[^;{]*;", "", text)))

symbols = subprocess.run(["nm", "-D", "--defined-only", library], text=True, check=True, capture_output=True).stdout
exported = {line.split()[-1].split("@")[0] for line in symbols.splitlines() if " A " not in line}
assert declared == exported, f"declared or exported alone: {sorted(declared ^ exported)}"

loaded = ctypes.CDLL(library)
step = ctypes.create_string_buffer(b"x" * SIZE)
loaded.kv_step_init(step)
assert step.raw[:8] == SIZE.to_bytes(4, "little") + bytes([2, 0, 0, 0]) and not any(step.raw[8:]), "kv_step_init()"
try:
    import cffi
except ImportError:
    print("ok (without cffi)")
    sys.exit()
ffi = cffi.FFI()
ffi.cdef(text)
assert ffi.sizeof("kv_step") == SIZE and ffi.sizeof("kv_kernel") == 496
kvrt = ffi.dlopen(library)
step, launch = ffi.new("kv_step *"), ffi.new("kv_gpu_launch *")
kvrt.kv_step_init_as(step, ffi.sizeof("kv_step"), 2)
kvrt.kv_gpu_launch_init(launch)
assert step.struct_size == SIZE and launch.struct_size == ffi.sizeof("kv_gpu_launch")
assert kvrt.kv_run(ffi.NULL, step, ffi.NULL) == kvrt.KV_ERROR_NULL
assert ffi.string(kvrt.kv_last_error()) == b"kernel is null"
print("ok")
