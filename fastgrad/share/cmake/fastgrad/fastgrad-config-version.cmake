# The version that abi.h states. Within one ABI number older requests are served; that is a promise (docs/EMBEDDING.md).
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../../../include/fastgrad/abi.h" _fastgrad_line
  REGEX "^#define FASTGRAD_VERSION ")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" PACKAGE_VERSION "${_fastgrad_line}")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION STREQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
