/*
 * _hot: the few calls that are made so often that cffi's 100 ns would be most of their cost.
 *
 * Base types for the engine, counters and gauges, over the same public headers as everything else.
 * Nothing here blocks, so the GIL is kept. What may block (setting a state, waiting) goes through cffi, and
 * so does every lock: a lock knows its thread, and only one copy of the core may number the threads.
 *
 * Cells share an Anchor, which keeps view and memory alive and is told when the region is closed. With a
 * GIL nobody is inside a cell while the region is closed, so the anchor lets go of the memory then.
 * Without one it keeps it until the last cell goes; a write that overtakes the closing changes a region
 * that is still mapped, as if it had come just before.
 */
#include <Python.h>

#include <stdlib.h>

#include "_hot_anchor.h"
#include "_hot_engine.h"
#include "_hot_named.h"

/* -- the end of the interpreter ------------------------------------------------------------ */

/*
 * Slots are given back when no Python code can run any more, so that no daemon thread finds its region closed
 * under it. The views and their memory are kept for ever: such a thread may still be in the kernel, waiting.
 */
static cs_region **leaving;
static size_t leaving_count;

static void leave(void)
{
    for (size_t i = 0; i < leaving_count; i++) {
        cs_region_detach(leaving[i]); /* which does nothing to one that was closed meanwhile */
    }
}

static PyObject *detach_at_end(PyObject *module, PyObject *args)
{
    unsigned long long view;
    PyObject *keep;
    (void)module;
    if (!PyArg_ParseTuple(args, "KO", &view, &keep)) {
        return NULL;
    }
    cs_region **more = (cs_region **)realloc((void *)leaving, (leaving_count + 1) * sizeof *leaving);
    if (more == NULL) {
        return PyErr_NoMemory();
    }
    if (leaving == NULL && Py_AtExit(leave) != 0) {
        free((void *)more);
        Py_RETURN_NONE; /* too many want to be called: the kernel knows of our death all the same */
    }
    leaving = more;
    leaving[leaving_count++] = (cs_region *)(uintptr_t)view;
    Py_INCREF(keep);
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"detach_at_end", detach_at_end, METH_VARARGS,
     "detach_at_end(view, keep): give a view's participant slot back when no Python code can run any more."},
    {NULL, NULL, 0, NULL},
};

static int add_type(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int result = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return result;
}

/* What runs at fork and at the end is kept for the process, not for each interpreter in it: a region opened in another
 * interpreter than the first would keep its slot in a child of fork, and after that interpreter's end. */
static int insist_on_main_interpreter(void)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0) {
        return 0;
    }
    PyErr_SetString(PyExc_ImportError,
                    "corestate: expected the main interpreter, found a sub-interpreter, whose regions "
                    "would not survive fork; use threads or processes");
    return -1;
}

static int module_exec(PyObject *module)
{
    if (insist_on_main_interpreter()) {
        return -1;
    }
    fill_engine_getset();
    return add_type(module, &anchor_spec, "Anchor") || add_type(module, &engine_spec, "HotEngine") ||
                   add_type(module, &counter_spec, "HotCounter") || add_type(module, &gauge_spec, "HotGauge")
               ? -1
               : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)(uintptr_t)module_exec},
#if defined(Py_GIL_DISABLED) && defined(Py_mod_gil)
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    "corestate._hot",
    "Hot cells; see _hot.c.",
    0,
    module_methods,
    module_slots,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__hot(void) { return PyModuleDef_Init(&module_definition); }
