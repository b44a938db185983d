# kvcc_add_library(NAME KV file.kv TARGETS target ... [PARAMS Hq=64 ...] [SCHEDULE file.kv] [ROUTE route])
#
# Compiles file.kv into a static library and makes the CMake library NAME of it:
#
#   find_package(kvcc REQUIRED)
#   kvcc_add_library(llama KV llama3.kv TARGETS native)
#   target_link_libraries(engine PRIVATE llama kvcc::kvrt)        # engine may now #include "llama.h"
#
# kvcc::kvrt is the static runtime, part of whoever links it; kvcc::kvrt_shared is libkvrt.so, for programs whose parts share one.
#
# TARGETS are names that `kvcc compile --target` knows; those of other architectures than CMAKE_SYSTEM_PROCESSOR (or, where that says
# nothing, than the compiler's) are left out, so that one list serves every machine. `native` stands for the machine that builds, and is refused when cross-compiling. The library is rebuilt when the .kv file, the schedule or the compiler changes, and for no other reason.
#
# ROUTE is what `kvcc compile --route` takes: mlir, halide, best, or a manifest of kvcc, which makes the same choices again.
#
# Cross-compiling: set KVCC_EXECUTABLE to a kvcc that runs on the building machine; CMake's find_package(kvcc) does so by itself when
# it finds an installation for it.
include_guard(GLOBAL)

# Of this file, whatever the project asks for: without CMP0116 the library is rebuilt by every build.
cmake_policy(PUSH)
cmake_policy(VERSION 3.22)

# The architecture, as kvcc names it, of what this project builds: CMAKE_SYSTEM_PROCESSOR where it names one, else what the compiler
# says of itself. Toolchain files leave the variable out, or call it `armv8-a`.
function(kvcc_architecture result)
  set(words ${CMAKE_SYSTEM_PROCESSOR})
  foreach(language C CXX)
    list(APPEND words ${CMAKE_${language}_COMPILER_TARGET} ${CMAKE_${language}_LIBRARY_ARCHITECTURE})
    if(CMAKE_${language}_COMPILER)
      execute_process(COMMAND ${CMAKE_${language}_COMPILER} -dumpmachine OUTPUT_VARIABLE triple ERROR_QUIET
                      OUTPUT_STRIP_TRAILING_WHITESPACE)
      list(APPEND words ${triple})
    endif()
  endforeach()
  foreach(word IN LISTS words)
    string(TOLOWER "${word}" word)
    if(word MATCHES "^(x86[_-]64|amd64|x64)")
      set(${result} x86_64 PARENT_SCOPE)
      return()
    elseif(word MATCHES "^(aarch64|arm64|armv[89])")
      set(${result} aarch64 PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "kvcc_add_library: kvcc makes libraries for x86_64 and aarch64; CMAKE_SYSTEM_PROCESSOR is `${CMAKE_SYSTEM_PROCESSOR}`")
endfunction()

function(kvcc_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "KV;SCHEDULE;ROUTE" "TARGETS;PARAMS")
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "kvcc_add_library(${name}): unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  foreach(needed KV TARGETS)
    if(NOT ARG_${needed})
      message(FATAL_ERROR "kvcc_add_library(${name}): ${needed} is missing")
    endif()
  endforeach()
  if(CMAKE_CROSSCOMPILING AND "native" IN_LIST ARG_TARGETS)
    message(FATAL_ERROR "kvcc_add_library(${name}): `native` means the building machine; name the targets when cross-compiling")
  endif()

  # The compiler: KVCC_EXECUTABLE, else the one of this build or of the installation that was found.
  if(KVCC_EXECUTABLE)
    set(kvcc ${KVCC_EXECUTABLE})
    set(kvcc_file ${KVCC_EXECUTABLE})
  elseif(TARGET kvcc)
    set(kvcc $<TARGET_FILE:kvcc>)
    set(kvcc_file kvcc)
  elseif(TARGET kvcc::kvcc)
    set(kvcc $<TARGET_FILE:kvcc::kvcc>)
    set(kvcc_file $<TARGET_FILE:kvcc::kvcc>)
  else()
    message(FATAL_ERROR "kvcc_add_library(${name}): no compiler; set KVCC_EXECUTABLE to a kvcc that runs on this machine")
  endif()

  get_filename_component(source ${ARG_KV} ABSOLUTE)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${name}.kvcc)
  set(library ${folder}/lib${name}.a)
  list(JOIN ARG_TARGETS "," targets)
  set(options --target ${targets} --name ${name} -o ${folder})
  kvcc_architecture(machine)
  list(APPEND options --machine ${machine})
  foreach(param IN LISTS ARG_PARAMS)
    list(APPEND options -p ${param})
  endforeach()
  set(inputs ${source})
  if(ARG_SCHEDULE)
    get_filename_component(schedule ${ARG_SCHEDULE} ABSOLUTE)
    list(APPEND options --schedule ${schedule})
    list(APPEND inputs ${schedule})
  endif()

  if(ARG_ROUTE MATCHES "\\.json$")
    get_filename_component(ARG_ROUTE ${ARG_ROUTE} ABSOLUTE)
    list(APPEND inputs ${ARG_ROUTE})
  endif()
  if(ARG_ROUTE)
    list(APPEND options --route ${ARG_ROUTE})
    if(TARGET kvcc-halide)
      list(APPEND inputs kvcc-halide)
    endif()
  endif()

  # The folder is an include directory, which must exist when CMake writes the build files.
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(
    OUTPUT ${library} ${folder}/${name}.h ${folder}/${name}.json
    COMMAND ${kvcc} compile ${source} ${options}
    DEPENDS ${inputs} ${kvcc_file}
    DEPFILE ${folder}/${name}.d
    COMMENT "Compiling ${ARG_KV} for ${targets}"
    VERBATIM)
  add_custom_target(${name}-kvcc DEPENDS ${library} ${folder}/${name}.h ${folder}/${name}.json)

  # An interface that stands for the archive, so that whoever links NAME waits for it and finds its header.
  add_library(${name}-archive STATIC IMPORTED)
  set_target_properties(${name}-archive PROPERTIES IMPORTED_LOCATION ${library})
  add_dependencies(${name}-archive ${name}-kvcc)
  add_library(${name} INTERFACE)
  target_include_directories(${name} INTERFACE ${folder})
  target_link_libraries(${name} INTERFACE ${name}-archive)
  if(TARGET kvcc::headers)
    target_link_libraries(${name} INTERFACE kvcc::headers)
  elseif(TARGET kvcc::kvrt)
    target_include_directories(${name} INTERFACE $<TARGET_PROPERTY:kvcc::kvrt,INTERFACE_INCLUDE_DIRECTORIES>)
  elseif(TARGET kvrt)
    target_include_directories(${name} INTERFACE $<TARGET_PROPERTY:kvrt,INTERFACE_INCLUDE_DIRECTORIES>)
  endif()
  add_dependencies(${name} ${name}-kvcc)
endfunction()

cmake_policy(POP)
