# SPDX-License-Identifier: GPL-3.0-or-later
#
# The libraries we stand on, by pkg-config; each message names the Debian package that is missing.

include(CheckCSourceCompiles)
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

# wolfSSL, as the target Sotto::wolfssl: the build that SOTTO_WOLFSSL names, else the distribution's package.
set(SOTTO_WOLFSSL "" CACHE PATH "a static wolfSSL made by scripts/build-wolfssl; empty: the distribution's")
function(sotto_wolfssl)
    add_library(sotto_wolfssl INTERFACE)
    add_library(Sotto::wolfssl ALIAS sotto_wolfssl)
    set(source "")
    if(SOTTO_WOLFSSL)
        set(library "${SOTTO_WOLFSSL}/lib/libwolfssl.a")
        set(headers "${SOTTO_WOLFSSL}/include")
        if(NOT EXISTS "${library}" OR NOT EXISTS "${headers}/wolfssl/options.h")
            message(FATAL_ERROR "SOTTO_WOLFSSL is '${SOTTO_WOLFSSL}', but lib/libwolfssl.a and include/wolfssl are not both "
                                "in it: name the folder that scripts/build-wolfssl prints, or leave it empty")
        endif()
        target_include_directories(sotto_wolfssl SYSTEM INTERFACE "${headers}")
        target_link_libraries(sotto_wolfssl INTERFACE "${library}" Threads::Threads m)
        # Which source it was made from, for `sotto version`.
        if(EXISTS "${SOTTO_WOLFSSL}/source")
            file(STRINGS "${SOTTO_WOLFSSL}/source" source LIMIT_COUNT 1 REGEX "^[A-Za-z0-9.+~: -]*$")
        endif()
        set(this "${library} ${source}")
    else()
        sotto_package(WOLFSSL wolfssl libwolfssl-dev)
        target_link_libraries(sotto_wolfssl INTERFACE PkgConfig::WOLFSSL)
        set(headers ${WOLFSSL_INCLUDE_DIRS})
        set(this "wolfssl ${WOLFSSL_VERSION} in ${WOLFSSL_LIBDIR}")
    endif()
    set(SOTTO_WOLFSSL_SOURCE "${source}" PARENT_SCOPE)

    # Without assembly of its own wolfSSL is slow at AES, and nettle does it where wolfSSL can be told so. What was found
    # out about one wolfSSL is not true of the next one in the same build directory.
    if(NOT this STREQUAL "${SOTTO_WOLFSSL_CHECKED}")
        unset(SOTTO_WOLFSSL_WANTS_AES CACHE)
        unset(SOTTO_WOLFSSL_TAKES_DEVICES CACHE)
        set(SOTTO_WOLFSSL_CHECKED "${this}" CACHE INTERNAL "")
        message(STATUS "wolfSSL: ${this}")
    endif()
    set(CMAKE_REQUIRED_INCLUDES ${headers})
    set(CMAKE_REQUIRED_QUIET ON)
    check_c_source_compiles("
        #include <wolfssl/options.h>
        #if defined(WOLFSSL_AESNI) || defined(WOLFSSL_ARMASM) || !defined(WOLF_CRYPTO_CB)
        #error it has its own, or takes no other
        #endif
        int main(void) { return 0; }" SOTTO_WOLFSSL_WANTS_AES)
    check_c_source_compiles("
        #include <wolfssl/options.h>
        #ifndef WOLF_CRYPTO_CB
        #error it does all by itself
        #endif
        int main(void) { return 0; }" SOTTO_WOLFSSL_TAKES_DEVICES)
endfunction()

sotto_package(UV libuv libuv1-dev)
sotto_wolfssl()
if(SOTTO_WOLFSSL_WANTS_AES)
    sotto_package(NETTLE nettle nettle-dev)
endif()
# Only these processors may have instructions that libcrypto has code for, and wolfSSL has not.
if(SOTTO_WOLFSSL_TAKES_DEVICES AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    sotto_package(LIBCRYPTO libcrypto libssl-dev)
    set(SOTTO_WANTS_LIBCRYPTO TRUE)
endif()
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
