/* libfastgrad: the kernels, compiled once, for the extension module and for programs that link them. */
#define FASTGRAD_LIBRARY
#include <fastgrad/fastgrad.h>
#include <fastgrad/header_only.h>
