# SPDX-License-Identifier: GPL-3.0-or-later
#
# Rules about the source itself, as tests. They are small Python programs; each prints what breaks the rule and where.
find_program(SOTTO_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(SOTTO_PYTHON NAMES python3 REQUIRED)
find_program(SOTTO_CTAGS NAMES ctags-universal ctags)
find_program(SOTTO_CLANG_FORMAT NAMES clang-format-14 clang-format)

function(sotto_check name)
    add_test(NAME check/${name} COMMAND ${ARGN} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties(check/${name} PROPERTIES TIMEOUT 60 LABELS check)
endfunction()

# Sanitizers put variables of their own into every object, so symbols are looked at in plain builds only.
set(stateless)
if(NOT SOTTO_SANITIZE AND NOT SOTTO_FUZZ)
    foreach(layer codec core)
        get_target_property(type sotto_${layer} TYPE)
        if(type STREQUAL "STATIC_LIBRARY")
            list(APPEND stateless "$<TARGET_FILE:sotto_${layer}>")
        endif()
    endforeach()
endif()
sotto_check(layers ${SOTTO_PYTHON} tests/checks/layers.py ${PROJECT_SOURCE_DIR} ${stateless})
sotto_check(conformance ${SOTTO_PYTHON} scripts/conformance --check)
if(SOTTO_CTAGS)
    sotto_check(sizes ${SOTTO_PYTHON} tests/checks/sizes.py ${SOTTO_CTAGS} ${PROJECT_SOURCE_DIR})
else()
    message(WARNING "universal-ctags is not installed: check/sizes is left out")
endif()
