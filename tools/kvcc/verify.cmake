# The engine of `kvcc verify` is a library of its own: tests/unit/reference runs it on hand-written kernels, tests/oracle on generated
# specs.
kv_add_library(kvVerify VerifyKernels.cpp VerifyBatch.cpp VerifyInputs.cpp VerifyNeedles.cpp VerifySpecials.cpp
  VerifyOutput.cpp Execution.cpp Recording.cpp RecordedExecution.cpp runner/drive.c LINK kvSupport kvReference kvArtifacts kvrt fmt::fmt)

# Kernels of other architectures, in a process of their own, whose C sources are compiled where it is needed.
kv_add_library(kvRunner RunnerBuild.cpp RunnerExecution.cpp RunnerProcess.cpp SharedArena.cpp LINK kvVerify)
target_compile_definitions(kvRunner PRIVATE KVCC_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
foreach(folder runtime/src runtime/include tools/kvcc/runner)
  get_filename_component(parent ${folder} DIRECTORY)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION share/kvcc/${parent} FILES_MATCHING PATTERN "*.[ch]")
endforeach()

# Kernels of GPUs, through the runtime's kv_gpu.h.
kv_add_library(kvGpuExecution GpuExecution.cpp GpuDriver.cpp LINK kvVerify kvrt fmt::fmt)

if(TARGET kvTargets)
  kv_add_library(kvVerifySource VerifySource.cpp LINK kvVerify kvRunner kvGpuExecution kvDriver kvLoader)
  list(APPEND sources verify.cpp)
  list(APPEND libraries kvVerifySource)
endif()
