# How this project declares its libraries and tests.
#
#   kv_add_library(NAME src.cpp ... LINK lib ...)              one folder's library, on the shared LLVM and MLIR
#   kv_add_test(NAME src.cpp ... LINK lib ... LABEL label)     a GoogleTest program, registered with ctest

add_library(kvLLVM INTERFACE)
target_include_directories(kvLLVM SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_include_directories(kvLLVM INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR}/runtime/include)
target_compile_definitions(kvLLVM INTERFACE ${LLVM_DEFINITIONS_LIST})
target_compile_options(kvLLVM INTERFACE -fno-exceptions -Wall -Wextra -Wno-unused-parameter)
# Static linking of Debian's LLVM registers its options twice: the shared libraries only.
target_link_libraries(kvLLVM INTERFACE MLIR LLVM)
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND "${LLVM_DEFINITIONS}")

function(kv_add_library name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC kvLLVM ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

function(kv_add_test name)
  cmake_parse_arguments(ARG "" "LABEL" "LINK" ${ARGN})
  find_package(GTest REQUIRED)
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}")
endfunction()

# What a hot loop of the tools themselves is compiled for beside the host's baseline: a definition, or nothing.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(KVCC_HOST_CLONES [[KVCC_HOST_CLONES=__attribute__((target_clones("arch=x86-64-v4","arch=x86-64-v3","default")))]])
endif()
