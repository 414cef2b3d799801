# Which version is installed, read from its header, and whether it serves a program that asks for
# another: it does if the first number is the same and it is not older.
foreach(part MAJOR MINOR PATCH)
  file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../../../include/lockkeeper.h" _lockkeeper_line
       REGEX "^#define LK_VERSION_${part} ")
  string(REGEX MATCH "[0-9]+$" _lockkeeper_${part} "${_lockkeeper_line}")
endforeach()
set(PACKAGE_VERSION "${_lockkeeper_MAJOR}.${_lockkeeper_MINOR}.${_lockkeeper_PATCH}")
if(PACKAGE_FIND_VERSION_MAJOR EQUAL _lockkeeper_MAJOR
   AND NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
