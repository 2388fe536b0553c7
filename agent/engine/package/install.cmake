# What `cmake --install` puts in place: the programs (component "programs"), and the engine as a
# library with a CMake package (component "development"):
#
#   find_package(filesync CONFIG REQUIRED)
#   target_link_libraries(mine PRIVATE filesync::engine)
#   #include "agent/engine/sync_manager.h"
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS syncd syncagent RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)

# filesync_targets(OUT TARGET): the project's own libraries that TARGET is linked with, itself too.
function(filesync_targets out target)
  set(found ${${out}})
  get_target_property(aliased ${target} ALIASED_TARGET)
  if(aliased)
    set(target ${aliased})
  endif()
  get_target_property(imported ${target} IMPORTED)
  if(imported OR target IN_LIST found)
    return()
  endif()
  list(APPEND found ${target})
  get_target_property(libraries ${target} INTERFACE_LINK_LIBRARIES)
  foreach(library ${libraries})
    if(TARGET ${library})
      filesync_targets(found ${library})
    endif()
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# filesync_headers(OUT HEADER): the project's headers that HEADER includes, itself too.
function(filesync_headers out header)
  set(found ${${out}})
  if(header IN_LIST found)
    return()
  endif()
  list(APPEND found ${header})
  file(STRINGS ${CMAKE_SOURCE_DIR}/${header} lines REGEX "^#include \"(libs|agent)/")
  foreach(line ${lines})
    string(REGEX REPLACE "^#include \"([^\"]+)\".*" "\\1" included ${line})
    filesync_headers(found ${included})
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

set(filesync_exported)
filesync_targets(filesync_exported filesync_engine)
foreach(target ${filesync_exported})
  string(REGEX REPLACE "^filesync_" "" short ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${short})
endforeach()
install(TARGETS ${filesync_exported} EXPORT filesync-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/filesync COMPONENT development)
set(filesync_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/filesync)
install(EXPORT filesync-targets NAMESPACE filesync:: DESTINATION ${filesync_package_dir}
        COMPONENT development)

set(filesync_public_headers)
filesync_headers(filesync_public_headers agent/engine/sync_manager.h)
foreach(header ${filesync_public_headers})
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${CMAKE_SOURCE_DIR}/${header} COMPONENT development
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/filesync/${folder})
endforeach()

# BLAKE3 is the system's, and looked for again, or was compiled here and is one of the libraries.
set(filesync_needs_blake3 TRUE)
if(TARGET filesync_blake3)
  set(filesync_needs_blake3 FALSE)
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/filesync-config.cmake.in
  ${CMAKE_BINARY_DIR}/package/filesync-config.cmake INSTALL_DESTINATION ${filesync_package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/filesync-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/filesync-config.cmake
              ${CMAKE_BINARY_DIR}/package/filesync-config-version.cmake
              ${CMAKE_SOURCE_DIR}/libs/content/FindBLAKE3.cmake
        DESTINATION ${filesync_package_dir} COMPONENT development)
