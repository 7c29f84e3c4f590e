# SPDX-License-Identifier: GPL-3.0-or-later

# sotto_sources(<out> <pattern>...): the files that match, sorted; looked for again at every build.
function(sotto_sources out)
    list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE patterns)
    file(GLOB found CONFIGURE_DEPENDS LIST_DIRECTORIES false ${patterns})
    set(${out} ${found} PARENT_SCOPE)
endfunction()

# sotto_layer(<name> LINK <libraries>... [WITHOUT <file>...]): src/<name>/*.c, but those files, as the static library
# sotto_<name>. A layer that has no source file is an interface library, so that what stands above it can be built all
# the same.
function(sotto_layer name)
    cmake_parse_arguments(LAYER "" "" "LINK;WITHOUT" ${ARGN})
    sotto_sources(sources src/${name}/*.c)
    list(TRANSFORM LAYER_WITHOUT PREPEND "${PROJECT_SOURCE_DIR}/")
    list(REMOVE_ITEM sources ${LAYER_WITHOUT})
    if(sources)
        add_library(sotto_${name} STATIC ${sources})
        target_compile_options(sotto_${name} PRIVATE ${SOTTO_WARNINGS} ${SOTTO_WHOLE_COMPILE})
        target_include_directories(sotto_${name} PUBLIC "${PROJECT_SOURCE_DIR}/include")
        target_link_libraries(sotto_${name} PUBLIC ${LAYER_LINK})
    else()
        add_library(sotto_${name} INTERFACE)
        target_include_directories(sotto_${name} INTERFACE "${PROJECT_SOURCE_DIR}/include")
        target_link_libraries(sotto_${name} INTERFACE ${LAYER_LINK})
    endif()
endfunction()

# sotto_program(<name>): src/main/*.c as the program <name>, at the top of the build directory.
function(sotto_program name)
    sotto_sources(sources src/main/*.c)
    if(NOT sources)
        return()
    endif()
    add_executable(${name} ${sources})
    target_compile_options(${name} PRIVATE ${SOTTO_WARNINGS} ${SOTTO_WHOLE_COMPILE})
    target_link_options(${name} PRIVATE ${SOTTO_WHOLE_LINK} -Wl,--gc-sections)
    target_link_libraries(${name} PRIVATE sotto_server sotto_base)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
    install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()
