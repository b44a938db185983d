# What a lit test may use: kvcc, kv-opt, FileCheck, not, count, split-file, and the C and C++ compilers as %cc and %cxx.
# %examples is the examples folder, %kvinclude the runtime's headers, %build the build folder; %gpu before a command has
# tests/ptx play a GPU for it.
import os

import lit.formats

config.name = "kvcc"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".kv", ".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.kvcc_test_dir

path = [config.kvcc_bin_dir, config.llvm_bin_dir, config.environment.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(path)
# A user's override of the dispatch must not change what the tests see.
config.environment.pop("KV_TARGET", None)
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

config.substitutions.append(("%examples", os.path.join(config.kvcc_source_dir, "examples")))
config.substitutions.append(("%kvinclude", os.path.join(config.kvcc_source_dir, "runtime", "include")))
config.substitutions.append(("%build", config.kvcc_build_dir))
config.substitutions.append(("%cxx", config.cxx_compiler))
config.substitutions.append(("%cc", config.c_compiler))

if os.path.exists(config.cuda_stand_in):
    config.available_features.add("ptx")
    config.substitutions.append(("%gpu", "env KV_CUDA_LIBRARY=" + config.cuda_stand_in))

if os.path.exists(os.path.join(config.kvcc_bin_dir, "kvcc-halide")):
    config.available_features.add("halide")

if config.host_processor in ("x86_64", "AMD64"):
    config.available_features.add("x86")
