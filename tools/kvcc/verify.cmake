# The engine of `kvcc verify` is a library: tests/oracle and tests/unit/reference use it too.
kv_add_library(kvVerify VerifyKernels.cpp VerifyBatch.cpp VerifyInputs.cpp LINK kvReference kvArtifacts kvrt fmt::fmt)

if(TARGET kvTargets)
  list(APPEND sources verify.cpp)
endif()
list(APPEND libraries kvVerify)
