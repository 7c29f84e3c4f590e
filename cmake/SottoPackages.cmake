# SPDX-License-Identifier: GPL-3.0-or-later
#
# The libraries we stand on, by pkg-config; each message names the Debian package that is missing.

find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

function(sotto_package name module debian)
    pkg_check_modules(${name} IMPORTED_TARGET ${module})
    if(NOT ${name}_FOUND)
        message(FATAL_ERROR "${module} was not found by pkg-config: install ${debian} (scripts/run does)")
    endif()
endfunction()

# inih and cmocka have not always shipped a .pc file: look for the library itself then.
function(sotto_package_or_library name module library header debian)
    pkg_check_modules(${name} QUIET IMPORTED_TARGET ${module})
    if(${name}_FOUND)
        return()
    endif()
    find_library(${name}_LIBRARY ${library})
    find_path(${name}_HEADERS ${header})
    if(${name}_LIBRARY AND ${name}_HEADERS)
        add_library(PkgConfig::${name} INTERFACE IMPORTED GLOBAL)
        target_link_libraries(PkgConfig::${name} INTERFACE ${${name}_LIBRARY})
        target_include_directories(PkgConfig::${name} INTERFACE ${${name}_HEADERS})
        set(${name}_FOUND TRUE PARENT_SCOPE)
    elseif(debian)
        message(FATAL_ERROR "${module} was not found: install ${debian} (scripts/run does)")
    endif()
endfunction()

sotto_package(UV libuv libuv1-dev)
sotto_package(WOLFSSL wolfssl libwolfssl-dev)
sotto_package(NETTLE nettle nettle-dev)
sotto_package(ARGON2 libargon2 libargon2-dev)
sotto_package(SQLITE sqlite3 libsqlite3-dev)
sotto_package_or_library(INIH inih inih ini.h libinih-dev)
sotto_package_or_library(CMOCKA cmocka cmocka cmocka.h "")

if(TARGET PkgConfig::CMOCKA)
    option(SOTTO_TESTS "build the tests (needs cmocka)" ON)
else()
    option(SOTTO_TESTS "build the tests (needs cmocka)" OFF)
    if(SOTTO_TESTS)
        message(FATAL_ERROR "the tests need cmocka: install libcmocka-dev (scripts/test does), or use -DSOTTO_TESTS=OFF")
    endif()
endif()
