/*
 * What the hot types share: the anchor, conversions of numbers, errors. Included by _hot.c alone.
 */
#ifndef CORESTATE_HOT_ANCHOR_H
#define CORESTATE_HOT_ANCHOR_H

#include <Python.h>

#include <stdatomic.h>

#include "corestate/corestate.h"

typedef struct {
    PyObject_HEAD cs_region *view;
    PyObject *keep;  /* view and memory stay valid as long as this lives */
    PyObject *alive; /* the region stays attached as long as this lives */
    _Atomic int closed;
} Anchor;

static PyTypeObject *type_of(PyObject *module, const char *name)
{
    PyObject *type = PyObject_GetAttrString(module, name);
    Py_XDECREF(type); /* the module keeps it */
    return (PyTypeObject *)type;
}

/* -- errors -------------------------------------------------------------------------------- */

/* Beside the negative codes of the core: */
#define WRONG_TYPE 1
#define RAISED 2 /* by a value's own conversion, and to be passed on as it is */

/* Raise what corestate._binding.hot_error(code, what, kind, found) makes of it. Always null. */
static PyObject *fail(int code, const char *what, uint32_t kind, PyObject *found)
{
    if (code == RAISED) {
        return NULL;
    }
    PyObject *binding = PyImport_ImportModule("corestate._binding");
    if (binding == NULL) {
        return NULL;
    }
    PyObject *error =
        PyObject_CallMethod(binding, "hot_error", "isIO", code, what, (unsigned int)kind, found ? found : Py_None);
    Py_DECREF(binding);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return NULL;
}

/* What a failed conversion means to the caller; its exception is cleared, unless it is none of ours to judge. */
static int code_of_python_error(void)
{
    int code = PyErr_ExceptionMatches(PyExc_OverflowError) ? CS_E_RANGE
               : PyErr_ExceptionMatches(PyExc_TypeError)   ? WRONG_TYPE
                                                           : RAISED;
    if (code != RAISED) {
        PyErr_Clear();
    }
    return code;
}

static int is_closed(const Anchor *anchor) { return atomic_load_explicit(&anchor->closed, memory_order_relaxed) != 0; }

/* -- numbers ------------------------------------------------------------------------------- */

static int to_u64(PyObject *value, uint64_t *out)
{
    unsigned long long number = PyLong_AsUnsignedLongLong(value);
    if (number == (unsigned long long)-1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
            return code_of_python_error();
        }
        PyErr_Clear(); /* not an int; a NumPy integer is as good */
        PyObject *index = PyNumber_Index(value);
        if (index == NULL) {
            return code_of_python_error();
        }
        number = PyLong_AsUnsignedLongLong(index);
        Py_DECREF(index);
        if (number == (unsigned long long)-1 && PyErr_Occurred()) {
            return code_of_python_error();
        }
    }
    *out = (uint64_t)number;
    return CS_OK;
}

static int to_i64(PyObject *value, int64_t *out)
{
    long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred()) {
        return code_of_python_error();
    }
    *out = (int64_t)number;
    return CS_OK;
}

static int to_f64(PyObject *value, double *out)
{
    double number = PyFloat_AsDouble(value);
    if (number == -1.0 && PyErr_Occurred()) {
        return code_of_python_error();
    }
    *out = number;
    return CS_OK;
}

static double f64_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* -- arguments ------------------------------------------------------------------------------ */

/* Of a method's call, by position or by name, into `found` (room for two; null where not given). `names` says what they
 * are called; the first `least` of `most` must be given. */
static int arguments(const char *what, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                     const char *const *names, Py_ssize_t least, Py_ssize_t most, PyObject **found)
{
    Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
    found[0] = count > 0 ? args[0] : NULL;
    found[1] = count > 1 ? args[1] : NULL;
    if (count > most || count + named > most || count + named < least) {
        PyErr_Format(PyExc_TypeError, "%s: expected %zd to %zd arguments, found %zd", what, least, most, count + named);
        return 0;
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GetItem(keywords, i);
        Py_ssize_t place = 0;
        while (place < most && PyUnicode_CompareWithASCIIString(keyword, names[place]) != 0) {
            place++;
        }
        if (place == most || found[place] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s: expected each argument once, found %R %s", what, keyword,
                         place == most ? "which it does not have" : "twice");
            return 0;
        }
        found[place] = args[count + i];
    }
    if (least > 0 && found[least - 1] == NULL) {
        PyErr_Format(PyExc_TypeError, "%s: expected argument '%s', found none", what, names[least - 1]);
        return 0;
    }
    return 1;
}

static const char *const add_names[] = {"n"};
static const char *const exchange_names[] = {"expected", "desired"};

/* -- Anchor -------------------------------------------------------------------------------- */

static PyObject *anchor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    unsigned long long view;
    PyObject *keep;
    PyObject *alive;
    static char *names[] = {"view", "keep", "alive", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "KOO", names, &view, &keep, &alive)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Anchor *self = (Anchor *)allocate(type, 0);
    if (self != NULL) {
        self->view = (cs_region *)(uintptr_t)view;
        Py_INCREF(keep);
        self->keep = keep;
        Py_INCREF(alive);
        self->alive = alive;
        atomic_init(&self->closed, 0);
    }
    return (PyObject *)self;
}

static void release(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc give_back = (freefunc)PyType_GetSlot(type, Py_tp_free);
    give_back(self);
    Py_DECREF(type);
}

static void anchor_dealloc(PyObject *self)
{
    Py_CLEAR(((Anchor *)self)->alive);
    Py_CLEAR(((Anchor *)self)->keep);
    release(self);
}

static PyObject *anchor_close(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    Anchor *anchor = (Anchor *)self;
    atomic_store_explicit(&anchor->closed, 1, memory_order_seq_cst);
    Py_CLEAR(anchor->alive);
#ifndef Py_GIL_DISABLED
    Py_CLEAR(anchor->keep);
#endif
    Py_RETURN_NONE;
}

static PyObject *anchor_closed(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(is_closed((Anchor *)self));
}

static PyMethodDef anchor_methods[] = {
    {"close", anchor_close, METH_NOARGS, "Make every hot cell raise ClosedError from now on. Idempotent."},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef anchor_getset[] = {
    {"closed", anchor_closed, NULL, "Whether close was called.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot anchor_slots[] = {
    {Py_tp_new, anchor_new},
    {Py_tp_dealloc, anchor_dealloc},
    {Py_tp_methods, anchor_methods},
    {Py_tp_getset, anchor_getset},
    {Py_tp_doc, "What hot cells share: the address of a cs_region, what keeps it mapped, whether it was closed."},
    {0, NULL},
};
static PyType_Spec anchor_spec = {"corestate._hot.Anchor", sizeof(Anchor), 0, Py_TPFLAGS_DEFAULT, anchor_slots};

/* The anchor among a constructor's arguments, or null with TypeError. Borrowed. */
static Anchor *anchor_argument(PyObject *candidate)
{
    PyObject *module = PyImport_ImportModule("corestate._hot");
    if (module == NULL) {
        return NULL;
    }
    PyTypeObject *type = type_of(module, "Anchor");
    Py_DECREF(module);
    if (type == NULL) {
        return NULL;
    }
    if (!PyObject_TypeCheck(candidate, type)) {
        PyErr_SetString(PyExc_TypeError, "expected an Anchor, the one of the region; pass region.anchor");
        return NULL;
    }
    if (is_closed((Anchor *)candidate)) {
        fail(CS_E_CLOSED, "", CS_TYPE_NONE, NULL);
        return NULL;
    }
    return (Anchor *)candidate;
}

#endif
