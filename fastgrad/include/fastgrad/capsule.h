/* The table of the fastgrad that is installed, for extension modules: C99 or C++11, needs Python.h.

       static const fastgrad_table *fastgrad;
       PyMODINIT_FUNC PyInit_mine(void)
       {
           fastgrad = fastgrad_import();
           if (!fastgrad)
               return NULL;
           ... */
#ifndef FASTGRAD_CAPSULE_H
#define FASTGRAD_CAPSULE_H

#include <Python.h>

#include "abi.h"

/* What this module uses of the table. By default all that this header knows; a module that should also run with an
   older fastgrad defines it, before the #include, as FASTGRAD_UP_TO(the last field that it uses). */
#ifndef FASTGRAD_NEEDED
#define FASTGRAD_NEEDED sizeof(fastgrad_table)
#endif

/* The table, for as long as the process lives; NULL with an ImportError set if fastgrad is not installed, has another
   ABI or is older than what FASTGRAD_NEEDED asks for. The GIL must be held. */
static inline const fastgrad_table *fastgrad_import(void)
{
    const fastgrad_table *const table = (const fastgrad_table *)PyCapsule_Import("fastgrad._C_API", 0);
    if (!table) {
        if (!PyErr_ExceptionMatches(PyExc_ImportError))
            PyErr_SetString(PyExc_ImportError, "the fastgrad that is installed has no table of C functions: "
                                               "pip install --upgrade fastgrad");
        return NULL;
    }
    if (table->abi != FASTGRAD_ABI) {
        PyErr_Format(PyExc_ImportError, "this module was built for ABI %d of fastgrad, but fastgrad %s has ABI %d: %s",
                     FASTGRAD_ABI, table->version, (int)table->abi, "build it again with that fastgrad");
        return NULL;
    }
    if (table->size < FASTGRAD_NEEDED) {
        PyErr_Format(PyExc_ImportError, "this module was built with fastgrad " FASTGRAD_VERSION
                     " and needs functions that fastgrad %s has not: pip install --upgrade fastgrad", table->version);
        return NULL;
    }
    return table;
}

#endif
