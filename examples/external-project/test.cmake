# Installs the build BUILD into a prefix of its own, then configures, builds and runs the project SOURCE from there, as a stranger
# would; then checks what makes the library be rebuilt and what does not.
file(REMOVE_RECURSE ${WORK})
# A copy, so that touching files changes nothing of the checkout.
file(COPY ${SOURCE}/ DESTINATION ${WORK}/source)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# `rebuilt` is true when a build runs kvcc.
function(build expected why)
  run(${CMAKE_COMMAND} --build ${WORK}/build)
  set(seen FALSE)
  if(output MATCHES "Compiling tiny.kv")
    set(seen TRUE)
  endif()
  if(NOT seen STREQUAL expected)
    message(FATAL_ERROR "${why}: expected kvcc to run: ${expected}, got: ${seen}\n${output}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} -S ${WORK}/source -B ${WORK}/build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=${C_COMPILER}
    -DCMAKE_PREFIX_PATH=${WORK}/prefix)
build(TRUE "first build")
run(${WORK}/build/engine)
message("${output}")
if(NOT output MATCHES "8 query heads, 2 kv heads")
  message(FATAL_ERROR "PARAMS were not passed on:\n${output}")
endif()

build(FALSE "nothing touched")
# File times have a grain: a touch in the same instant would not be seen.
execute_process(COMMAND ${CMAKE_COMMAND} -E sleep 1.1)
file(TOUCH ${WORK}/source/engine.c)
build(FALSE "another source touched")
execute_process(COMMAND ${CMAKE_COMMAND} -E sleep 1.1)
file(TOUCH ${WORK}/source/tiny.kv)
build(TRUE "the .kv file touched")
build(FALSE "nothing touched again")
run(${WORK}/build/engine)

# A project that asks for an old CMake gets the policies of this package all the same; this one links the shared runtime.
file(COPY ${WORK}/source/ DESTINATION ${WORK}/old)
file(READ ${WORK}/old/CMakeLists.txt lists)
string(REPLACE "VERSION 3.22" "VERSION 3.10" lists "${lists}")
string(REPLACE "kvcc::kvrt)" "kvcc::kvrt_shared)" lists "${lists}")
file(WRITE ${WORK}/old/CMakeLists.txt "${lists}")
file(REMOVE_RECURSE ${WORK}/build)
run(${CMAKE_COMMAND} -S ${WORK}/old -B ${WORK}/build -G Ninja -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_PREFIX_PATH=${WORK}/prefix)
build(TRUE "first build of an old project")
build(FALSE "nothing touched in an old project")
run(${WORK}/build/engine)

# The architecture is the compiler's where CMAKE_SYSTEM_PROCESSOR is empty or a name of another kind.
file(WRITE ${WORK}/names/CMakeLists.txt "cmake_minimum_required(VERSION 3.22)
project(names C)
find_package(kvcc REQUIRED)
kvcc_architecture(own)
foreach(name \"\" armv8-a armv9-a ARM64 aarch64 AMD64 x86_64 nonsense)
  set(CMAKE_SYSTEM_PROCESSOR \"\${name}\")
  kvcc_architecture(found)
  message(\"[\${name}] \${found}, \${own}\")
endforeach()
")
run(${CMAKE_COMMAND} -S ${WORK}/names -B ${WORK}/names/build -G Ninja -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_PREFIX_PATH=${WORK}/prefix)
foreach(expected "armv8-a. aarch64" "armv9-a. aarch64" "ARM64. aarch64" "aarch64. aarch64" "AMD64. x86_64" "x86_64. x86_64")
  if(NOT output MATCHES "${expected}")
    message(FATAL_ERROR "expected [${expected}:\n${output}")
  endif()
endforeach()
foreach(name "" nonsense)
  if(NOT output MATCHES "\\[${name}. ([a-z0-9_]+), ([a-z0-9_]+)" OR NOT CMAKE_MATCH_1 STREQUAL CMAKE_MATCH_2)
    message(FATAL_ERROR "expected the compiler's architecture for `${name}`:\n${output}")
  endif()
endforeach()

# Cross-compiling: the compiler is the installed one, and `native` is refused because it would mean the wrong machine.
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${WORK}/source -B ${WORK}/cross -G Ninja -DCMAKE_PREFIX_PATH=${WORK}/prefix
    -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=unlike-this-one
  RESULT_VARIABLE code ERROR_VARIABLE output OUTPUT_QUIET)
if(code EQUAL 0 OR NOT output MATCHES "native.*means the[ \n]*building machine")
  message(FATAL_ERROR "expected `native` to be refused when cross-compiling, got ${code}:\n${output}")
endif()
