# SPDX-License-Identifier: GPL-3.0-or-later
#
# The load generator of the whole-broker benchmark: tests/bench/broker/*.c is the program <build>/bench/bench_broker, part
# of the target `bench`. Its TLS is one of two files: OpenSSL's client where its headers are there (it costs less, so the
# load is less likely to be the bottleneck), else wolfSSL's. Its checker, of topics too, is tested by ctest as bench/check.
sotto_sources(load tests/bench/broker/*.c)
list(FILTER load EXCLUDE REGEX "/(test|tls)_[^/]*\\.c$")
pkg_check_modules(BENCH_OPENSSL QUIET IMPORTED_TARGET openssl)
if(BENCH_OPENSSL_FOUND)
    set(tls openssl)
    set(tls_library PkgConfig::BENCH_OPENSSL)
else()
    set(tls wolfssl)
    set(tls_library Sotto::wolfssl)
endif()
add_executable(bench_broker EXCLUDE_FROM_ALL ${load} "${CMAKE_CURRENT_SOURCE_DIR}/bench/broker/tls_${tls}.c")
target_compile_options(bench_broker PRIVATE ${SOTTO_WARNINGS})
target_link_libraries(bench_broker PRIVATE ${tls_library})
set_target_properties(bench_broker PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
add_dependencies(bench bench_broker)

add_executable(test_bench_check bench/broker/test_check.c bench/broker/check.c bench/broker/packet.c bench/broker/fail.c)
target_compile_options(test_bench_check PRIVATE ${SOTTO_TEST_WARNINGS})
target_link_libraries(test_bench_check PRIVATE PkgConfig::CMOCKA)
add_test(NAME bench/check COMMAND test_bench_check)
set_tests_properties(bench/check PROPERTIES TIMEOUT 60 LABELS bench)
