/* An extension module on the kernels of the fastgrad that is installed. */
#include <fastgrad/capsule.h>

static const fastgrad_table *fastgrad;

/* activate(number, z, y): y = phi(z), both C-contiguous buffers of float64; without the GIL. */
static PyObject *activate(PyObject *self, PyObject *args)
{
    Py_buffer z, y;
    int number, error;
    (void)self;
    if (!PyArg_ParseTuple(args, "iy*w*", &number, &z, &y))
        return NULL;
    const size_t n = (size_t)z.len / sizeof(double);
    if (z.len != y.len) {
        PyErr_SetString(PyExc_ValueError, "z and y must be of one length");
    } else {
        Py_BEGIN_ALLOW_THREADS
        error = fastgrad->value(number, sizeof(double), n, z.buf, 1, y.buf);
        Py_END_ALLOW_THREADS
        if (error)
            PyErr_Format(PyExc_ValueError, "fastgrad %s has no activation %d", fastgrad->version, number);
    }
    PyBuffer_Release(&z);
    PyBuffer_Release(&y);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {{"activate", activate, METH_VARARGS, "y = phi(z)"}, {NULL, NULL, 0, NULL}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "extension", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_extension(void)
{
    fastgrad = fastgrad_import();
    return fastgrad ? PyModule_Create(&module) : NULL;
}
