# cmake --install: library, headers, program, pkg-config and CMake files, manual page and bash completion.
include(CMakePackageConfigHelpers)
set(RF_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/rangefinder)

install(TARGETS rangefinder EXPORT rangefinder LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS rangefinder_program DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(mpi IN LISTS RF_MPI_PLUGINS)
  install(TARGETS rangefinder_${mpi} DESTINATION ${CMAKE_INSTALL_LIBDIR}/rangefinder)
endforeach()
install(DIRECTORY include/rangefinder DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT rangefinder NAMESPACE rangefinder:: FILE rangefinder-targets.cmake DESTINATION ${RF_CMAKE_DIR})
string(REPLACE ";" " " RF_REQUIRES "${RF_REQUIRES}")
if(NOT BUILD_SHARED_LIBS) # a shared library brings its own
  set(RF_PC_PRIVATE "Requires.private: ${RF_REQUIRES}\nLibs.private: ${RF_OPENMP} ${CMAKE_THREAD_LIBS_INIT} -ldl -lm\n")
endif()
configure_file(cmake/rangefinder-config.cmake.in rangefinder-config.cmake @ONLY)
write_basic_package_version_file(rangefinder-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/rangefinder-config.cmake
        ${CMAKE_CURRENT_BINARY_DIR}/rangefinder-config-version.cmake DESTINATION ${RF_CMAKE_DIR})
file(RELATIVE_PATH RF_PREFIX_FROM_PKGCONFIG /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/rangefinder.pc.in rangefinder.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/rangefinder.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The program knows its commands and options; manual page and completion are what it says of them.
if(NOT CMAKE_CROSSCOMPILING)
  foreach(text man completion)
    add_custom_command(OUTPUT rangefinder.${text} DEPENDS rangefinder_program
                       COMMAND rangefinder_program --${text} > rangefinder.${text} VERBATIM)
  endforeach()
  add_custom_target(rangefinder_texts ALL DEPENDS rangefinder.man rangefinder.completion)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/rangefinder.man DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
          RENAME rangefinder.1)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/rangefinder.completion
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME rangefinder)
endif()

# The manual page of the model language is its documentation, where there is a program to convert it.
find_program(RF_LOWDOWN lowdown)
if(RF_LOWDOWN)
  set(RF_LANGUAGE ${CMAKE_CURRENT_SOURCE_DIR}/docs/model-language.md)
  add_custom_command(
    OUTPUT rangefinder-model.man DEPENDS ${RF_LANGUAGE}
    COMMAND ${RF_LOWDOWN} -s -Tman -m title=RANGEFINDER-MODEL -m section=5 -o rangefinder-model.man ${RF_LANGUAGE}
    COMMAND sed -i "/^.TH/a .SH NAME\\nrangefinder-model \\\\- the language that networks are written in"
            rangefinder-model.man VERBATIM)
  add_custom_target(rangefinder_language ALL DEPENDS rangefinder-model.man)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/rangefinder-model.man DESTINATION ${CMAKE_INSTALL_MANDIR}/man5
          RENAME rangefinder-model.5)
endif()
