# How this project declares its libraries and tests.
#
#   kv_add_library(NAME src.cpp ... LINK lib ...)              one folder's library, on the shared LLVM and MLIR
#   kv_add_test(NAME src.cpp ... LINK lib ... LABEL label)     a GoogleTest program, registered with ctest

add_library(kvLLVM INTERFACE)
target_include_directories(kvLLVM SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_include_directories(kvLLVM INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR}/runtime/include)
target_compile_definitions(kvLLVM INTERFACE ${LLVM_DEFINITIONS_LIST})
# As LLVM is compiled, but for a target that has asked for exceptions.
target_compile_options(kvLLVM INTERFACE $<IF:$<BOOL:$<TARGET_PROPERTY:KV_EXCEPTIONS>>,-fexceptions,-fno-exceptions> -Wall -Wextra -Wno-unused-parameter)
# Static linking of Debian's LLVM registers its options twice: the shared libraries only.
target_link_libraries(kvLLVM INTERFACE MLIR LLVM)
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND "${LLVM_DEFINITIONS}")

# Headers take most of the time that a file takes: clang reads them once, those of LLVM and MLIR for the dialect, and with the dialect's
# for all others. A build by g++ has every file read its own, so that none comes to lean on these lists.
function(kv_add_headers name)
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/tools/cmake/headers.cpp)
  target_link_libraries(${name} PUBLIC kvLLVM)
  target_precompile_headers(${name} PRIVATE ${ARGN})
  target_compile_options(${name} PRIVATE "SHELL:-Xclang -fno-pch-timestamp") # a cache of objects gives back one of other times
endfunction()
set(kv_mlir_headers
  <algorithm> <array> <cmath> <cstdint> <functional> <map> <memory> <optional> <string> <utility> <vector>
  <llvm/ADT/STLExtras.h> <llvm/ADT/StringExtras.h> <llvm/ADT/TypeSwitch.h> <llvm/Support/Error.h> <llvm/Support/raw_ostream.h>
  <mlir/Dialect/Arith/IR/Arith.h> <mlir/Dialect/Func/IR/FuncOps.h> <mlir/Dialect/LLVMIR/LLVMDialect.h>
  <mlir/Dialect/Math/IR/Math.h> <mlir/Dialect/SCF/IR/SCF.h> <mlir/Dialect/Tensor/IR/Tensor.h>
  <mlir/Dialect/Vector/IR/VectorOps.h> <mlir/IR/Builders.h> <mlir/IR/Matchers.h> <mlir/IR/PatternMatch.h> <mlir/Pass/Pass.h>)
function(kv_precompile name)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    set(headers kvMlirHeaders)
    if(TARGET kvDialectHeaders) # which dialect/ makes
      set(headers kvDialectHeaders)
    endif()
    target_precompile_headers(${name} REUSE_FROM ${headers})
    target_compile_options(${name} PRIVATE -fPIC) # as the headers: an executable would be -fPIE, for which clang refuses them
    get_target_property(sources ${name} SOURCES)
    list(FILTER sources INCLUDE REGEX "\\.c$")
    set_source_files_properties(${sources} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  endif()
endfunction()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  kv_add_headers(kvMlirHeaders ${kv_mlir_headers})
endif()

function(kv_add_library name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC kvLLVM ${ARG_LINK})
  kv_precompile(${name})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

function(kv_add_test name)
  cmake_parse_arguments(ARG "" "LABEL" "LINK" ${ARGN})
  find_package(GTest REQUIRED)
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
  kv_precompile(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}")
endfunction()

# What a hot loop of the tools themselves is compiled for beside the host's baseline: a definition, or nothing.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(KVCC_HOST_CLONES [[KVCC_HOST_CLONES=__attribute__((target_clones("arch=x86-64-v4","arch=x86-64-v3","default")))]])
endif()
