# The engine of `kvcc verify` is a library of its own: tests/unit/reference runs it on hand-written kernels, tests/oracle on generated
# specs.
kv_add_library(kvVerify VerifyKernels.cpp VerifyBatch.cpp VerifyInputs.cpp LINK kvReference kvArtifacts kvrt fmt::fmt)

if(TARGET kvTargets)
  kv_add_library(kvVerifySource VerifySource.cpp LINK kvVerify kvDriver kvLoader)
  list(APPEND sources verify.cpp)
  list(APPEND libraries kvVerifySource)
endif()
