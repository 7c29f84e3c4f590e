# SPDX-License-Identifier: GPL-3.0-or-later

set(SOTTO_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp"
    "SOTTO_SOURCE=${PROJECT_SOURCE_DIR}"
    "SOTTO_SANITIZE=${SOTTO_SANITIZE}"
    "SOTTO_BIN=${PROJECT_BINARY_DIR}/sotto"
    "SOTTO_POWER_BIN=${PROJECT_BINARY_DIR}/tests/sotto_power")

# sotto_helper_library(<target> <folder> LINK ...): the folder's .c files that are no test programs, as a library.
function(sotto_helper_library target folder)
    cmake_parse_arguments(HELPER "" "" "LINK" ${ARGN})
    sotto_sources(sources tests/${folder}/*.c)
    list(FILTER sources EXCLUDE REGEX "/test_[^/]*\\.c$")
    set(scope INTERFACE)
    if(sources)
        set(scope PUBLIC)
        add_library(${target} STATIC ${sources})
        target_compile_options(${target} PRIVATE ${SOTTO_TEST_WARNINGS})
    else()
        add_library(${target} INTERFACE)
    endif()
    target_include_directories(${target} ${scope} "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/tests/support"
                               "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(${target} ${scope} ${HELPER_LINK} PkgConfig::CMOCKA)
endfunction()

function(sotto_support name)
    sotto_helper_library(test_support_${name} support/${name} ${ARGN})
endfunction()

# Sanitizers make everything slower, ThreadSanitizer most.
set(SOTTO_TEST_SLOWNESS 1)
if(SOTTO_SANITIZE STREQUAL "address")
    set(SOTTO_TEST_SLOWNESS 2)
elseif(SOTTO_SANITIZE STREQUAL "thread")
    set(SOTTO_TEST_SLOWNESS 3)
endif()

# sotto_tests(<folder> PREFIX <p> LINK <libraries>... TIMEOUT <seconds> [NEEDS_BROKER])
# Each tests/<folder>/test_x.c is the program and target test_x (with the prefix where two folders have the same name)
# and the ctest <p>/x; the target tests_<p> is all of them. Other .c files of the folder are helpers that its tests share.
function(sotto_tests folder)
    cmake_parse_arguments(T "NEEDS_BROKER" "PREFIX;TIMEOUT" "LINK" ${ARGN})
    sotto_sources(sources tests/${folder}/test_*.c)
    if(NOT sources)
        return()
    endif()
    math(EXPR T_TIMEOUT "${T_TIMEOUT} * ${SOTTO_TEST_SLOWNESS}")
    sotto_helper_library(test_helpers_${T_PREFIX} ${folder} LINK ${T_LINK})
    add_custom_target(tests_${T_PREFIX})
    foreach(source IN LISTS sources)
        get_filename_component(target ${source} NAME_WE)
        string(REGEX REPLACE "^test_" "" short ${target})
        if(TARGET ${target})
            set(target ${T_PREFIX}_${target})
        endif()
        add_executable(${target} ${source})
        add_dependencies(tests_${T_PREFIX} ${target})
        target_compile_options(${target} PRIVATE ${SOTTO_TEST_WARNINGS})
        target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/${folder}")
        target_link_libraries(${target} PRIVATE test_helpers_${T_PREFIX})
        if(T_NEEDS_BROKER)
            add_dependencies(${target} sotto)
        endif()
        add_test(NAME ${T_PREFIX}/${short} COMMAND ${target} WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
        set_tests_properties(${T_PREFIX}/${short} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS ${T_PREFIX}
                             ENVIRONMENT "${SOTTO_TEST_ENVIRONMENT};SOTTO_TEST_SECONDS=${T_TIMEOUT}")
    endforeach()
endfunction()

# sotto_fuzzers(LINK <libraries>...): with SOTTO_FUZZ the libFuzzer programs; without, a replay of the corpus each.
function(sotto_fuzzers)
    cmake_parse_arguments(F "" "" "LINK" ${ARGN})
    sotto_sources(sources tests/fuzz/fuzz_*.c)
    foreach(source IN LISTS sources)
        get_filename_component(target ${source} NAME_WE)
        string(REGEX REPLACE "^fuzz_" "" short ${target})
        set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${short}")
        if(SOTTO_FUZZ)
            add_executable(${target} ${source})
            target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        else()
            add_executable(${target} ${source} fuzz/replay.c)
            add_test(NAME fuzz/${short} COMMAND ${target} ${corpus})
            set_tests_properties(fuzz/${short} PROPERTIES TIMEOUT 120 LABELS fuzz
                                 ENVIRONMENT "${SOTTO_TEST_ENVIRONMENT}")
        endif()
        target_compile_options(${target} PRIVATE ${SOTTO_TEST_WARNINGS})
        target_link_libraries(${target} PRIVATE ${F_LINK})
    endforeach()
endfunction()

# sotto_benches(LINK <libraries>...): each tests/bench/x.c is the program x in <build>/bench; tests/bench/support/*.c is
# shared by them. `cmake --build <dir> --target bench` builds them; no other target does.
function(sotto_benches)
    cmake_parse_arguments(B "" "" "LINK" ${ARGN})
    add_custom_target(bench)
    sotto_sources(sources tests/bench/*.c)
    if(NOT sources)
        return()
    endif()
    sotto_helper_library(bench_support bench/support LINK ${B_LINK})
    foreach(source IN LISTS sources)
        get_filename_component(target ${source} NAME_WE)
        add_executable(${target} EXCLUDE_FROM_ALL ${source})
        target_compile_options(${target} PRIVATE ${SOTTO_TEST_WARNINGS})
        target_link_libraries(${target} PRIVATE bench_support)
        set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
        add_dependencies(bench ${target})
    endforeach()
endfunction()
