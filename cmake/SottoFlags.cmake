# SPDX-License-Identifier: GPL-3.0-or-later
#
# The language, the warnings, and what a build type means. Assertions stay on in every build type (they guard invariants
# of our own and never judge what a peer sent), so NDEBUG is not defined anywhere.

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# accept4, setresuid and their like: Linux first, see docs/architecture.md.
add_compile_definitions(_GNU_SOURCE)
set(CMAKE_C_FLAGS_DEBUG "-Og -g")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_MINSIZEREL "-Os -g")

set(SOTTO_SANITIZE "" CACHE STRING "address (ASan and UBSan), thread (TSan), or empty")
set_property(CACHE SOTTO_SANITIZE PROPERTY STRINGS "" address thread)
option(SOTTO_FUZZ "build the fuzz targets for libFuzzer (needs clang)" OFF)

# Our own code; system headers are not held to it.
set(SOTTO_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Werror)
# Tests may convert freely: cmocka's macros take every integer as the largest one.
set(SOTTO_TEST_WARNINGS -Wall -Wextra -Wshadow -Werror)

# What gcc knows about the values of variables is little with its sanitizers on, and its warnings of truncated texts guess.
if(SOTTO_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND SOTTO_WARNINGS -Wno-format-truncation)
    list(APPEND SOTTO_TEST_WARNINGS -Wno-format-truncation)
endif()

if(SOTTO_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "SOTTO_FUZZ needs clang's libFuzzer: configure with -DCMAKE_C_COMPILER=clang")
    endif()
    set(sanitizers -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(SOTTO_SANITIZE STREQUAL "address")
    set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(SOTTO_SANITIZE STREQUAL "thread")
    set(sanitizers -fsanitize=thread -fno-omit-frame-pointer)
elseif(SOTTO_SANITIZE)
    message(FATAL_ERROR "SOTTO_SANITIZE is '${SOTTO_SANITIZE}': it is address, thread, or empty")
endif()

if(sanitizers)
    add_compile_options(${sanitizers})
    add_link_options(${sanitizers})
else()
    # What distributions build their packages with. Some compilers predefine _FORTIFY_SOURCE, hence the undefine.
    add_compile_options(-fstack-protector-strong)
    if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
        add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
    endif()
    add_link_options(-Wl,-z,relro,-z,now)
endif()

# Two neighboring fields stored or copied as one vector are waited for when one of them was written just before, or is read
# right after: on the path of a message this costs more than all that such vectors save.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fno-tree-slp-vectorize)
endif()

# The program of a release is optimized as a whole, which takes a tenth of the instructions off a message. The layers carry
# both kinds of code, so that their tests link as ever.
set(SOTTO_WHOLE_COMPILE "")
set(SOTTO_WHOLE_LINK "")
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT sanitizers AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(SOTTO_WHOLE_COMPILE -flto=auto -ffat-lto-objects)
    set(SOTTO_WHOLE_LINK -flto=auto)
endif()

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
