# find_package(fastgrad CONFIG) -> target fastgrad::fastgrad: the headers, with the flags that give their bits.
# python -m fastgrad config --cmake-dir prints what fastgrad_DIR is to be.
if(TARGET fastgrad::fastgrad)
  return()
endif()
add_library(fastgrad::fastgrad INTERFACE IMPORTED)
get_filename_component(_fastgrad_include "${CMAKE_CURRENT_LIST_DIR}/../../../include" ABSOLUTE)
set_target_properties(fastgrad::fastgrad PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_fastgrad_include}")
if(NOT MSVC)
  set_target_properties(fastgrad::fastgrad PROPERTIES
    INTERFACE_COMPILE_OPTIONS "-fno-math-errno;-fno-trapping-math;-ffp-contract=off"
    INTERFACE_LINK_LIBRARIES m)
endif()
unset(_fastgrad_include)
