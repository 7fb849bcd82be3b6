# rf_embed(GROUP FILE...) makes a C file that holds the files' bytes and a table rf_embedded_<GROUP> of them, in the
# order of their names, for src/base/embedded.h.
set(RF_EMBEDDED)
function(rf_embed group)
  set(out ${PROJECT_BINARY_DIR}/embedded_${group}.c)
  string(REPLACE ";" "|" files "${ARGN}")
  add_custom_command(OUTPUT ${out} COMMAND ${CMAKE_COMMAND} -DGROUP=${group} -DOUT=${out}
                     -DFOLDER=${PROJECT_SOURCE_DIR}/${group} "-DFILES=${files}" -P
                     ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake
                     DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake VERBATIM)
  set(RF_EMBEDDED ${RF_EMBEDDED} ${out} PARENT_SCOPE)
endfunction()
