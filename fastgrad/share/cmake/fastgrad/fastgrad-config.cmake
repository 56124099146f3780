# find_package(fastgrad CONFIG) -> two targets; python -m fastgrad config --cmake-dir prints what fastgrad_DIR is to be.
#   fastgrad::fastgrad     fastgrad/fastgrad.h and the static library
#   fastgrad::header_only  fastgrad/header_only.h, with the flags that give the library's bits
if(TARGET fastgrad::fastgrad)
  return()
endif()
get_filename_component(_fastgrad "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
add_library(fastgrad::fastgrad STATIC IMPORTED)
add_library(fastgrad::header_only INTERFACE IMPORTED)
set_target_properties(fastgrad::fastgrad fastgrad::header_only PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES "${_fastgrad}/include")
if(MSVC)
  set_target_properties(fastgrad::fastgrad PROPERTIES IMPORTED_LOCATION "${_fastgrad}/lib/fastgrad.lib")
else()
  set_target_properties(fastgrad::fastgrad PROPERTIES IMPORTED_LOCATION "${_fastgrad}/lib/libfastgrad.a")
  set_target_properties(fastgrad::fastgrad fastgrad::header_only PROPERTIES INTERFACE_LINK_LIBRARIES m)
  set_target_properties(fastgrad::header_only PROPERTIES
    INTERFACE_COMPILE_OPTIONS "-fno-math-errno;-fno-trapping-math;-ffp-contract=off")
endif()
unset(_fastgrad)
