# find_package(lockkeeper CONFIG) gives
#
#   lockkeeper::lockkeeper         the shared library
#   lockkeeper::lockkeeper-static  the static one, with what it needs of the system
#
# each if it is installed. Nothing here depends on where that is: the prefix is the one that this
# file lies in, and the system's libraries are those that lockkeeper.pc names for static linking.
get_filename_component(_lockkeeper_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
foreach(_lockkeeper_folder "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib64 lib)
  set(_lockkeeper_libdir "${_lockkeeper_prefix}/${_lockkeeper_folder}")
  if(EXISTS "${_lockkeeper_libdir}/pkgconfig/lockkeeper.pc")
    break()
  endif()
endforeach()

set(_lockkeeper_shared
    "${_lockkeeper_libdir}/${CMAKE_SHARED_LIBRARY_PREFIX}lockkeeper${CMAKE_SHARED_LIBRARY_SUFFIX}")
if(EXISTS "${_lockkeeper_shared}" AND NOT TARGET lockkeeper::lockkeeper)
  add_library(lockkeeper::lockkeeper SHARED IMPORTED)
  set_target_properties(lockkeeper::lockkeeper PROPERTIES
    IMPORTED_LOCATION "${_lockkeeper_shared}"
    INTERFACE_INCLUDE_DIRECTORIES "${_lockkeeper_prefix}/include")
endif()

set(_lockkeeper_static
    "${_lockkeeper_libdir}/${CMAKE_STATIC_LIBRARY_PREFIX}lockkeeper${CMAKE_STATIC_LIBRARY_SUFFIX}")
if(EXISTS "${_lockkeeper_static}" AND NOT TARGET lockkeeper::lockkeeper-static)
  file(STRINGS "${_lockkeeper_libdir}/pkgconfig/lockkeeper.pc" _lockkeeper_needs
       REGEX "^Libs.private: ")
  string(REGEX REPLACE "^Libs.private: *" "" _lockkeeper_needs "${_lockkeeper_needs}")
  separate_arguments(_lockkeeper_needs)
  add_library(lockkeeper::lockkeeper-static STATIC IMPORTED)
  set_target_properties(lockkeeper::lockkeeper-static PROPERTIES
    IMPORTED_LOCATION "${_lockkeeper_static}"
    INTERFACE_INCLUDE_DIRECTORIES "${_lockkeeper_prefix}/include"
    INTERFACE_LINK_LIBRARIES "${_lockkeeper_needs}")
endif()

if(NOT TARGET lockkeeper::lockkeeper AND NOT TARGET lockkeeper::lockkeeper-static)
  set(lockkeeper_FOUND FALSE)
  set(lockkeeper_NOT_FOUND_MESSAGE "no liblockkeeper in ${_lockkeeper_libdir}")
endif()
