/*
 * HotCounter and HotGauge. Included by _hot.c alone.
 */
#ifndef CORESTATE_HOT_NAMED_H
#define CORESTATE_HOT_NAMED_H

#include "_hot_anchor.h"

/* A counter or a gauge. */
typedef struct {
    PyObject_HEAD Anchor *anchor;
    const _Atomic uint32_t *generation;
    const _Atomic uint64_t *value;
    cs_handle handle;
} Named;

static PyObject *named_new(PyTypeObject *type, PyObject *args, PyObject *kwargs, uint32_t table)
{
    PyObject *candidate;
    unsigned long long handle;
    static char *names[] = {"anchor", "handle", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OK", names, &candidate, &handle)) {
        return NULL;
    }
    Anchor *anchor = anchor_argument(candidate);
    if (anchor == NULL) {
        return NULL;
    }
    cs_hot_cell cell;
    int code = cs_hot_cell_of(anchor->view, table, handle, &cell);
    if (code != CS_OK) {
        return fail(code, table == CS_SECTION_COUNTERS ? "counter" : "gauge", CS_TYPE_NONE, NULL);
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Named *self = (Named *)allocate(type, 0);
    if (self != NULL) {
        Py_INCREF(anchor);
        self->anchor = anchor;
        self->generation = (const _Atomic uint32_t *)cell.generation;
        self->value = (const _Atomic uint64_t *)cell.value;
        self->handle = handle;
    }
    return (PyObject *)self;
}

static void named_dealloc(PyObject *self)
{
    Py_CLEAR(((Named *)self)->anchor);
    release(self);
}

static PyObject *named_handle(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((Named *)self)->handle);
}

/* The bits of the value, believed only while the slot is still ours afterwards. */
static int named_load(const Named *self, uint64_t *bits)
{
    if (is_closed(self->anchor)) {
        return CS_E_CLOSED;
    }
    *bits = atomic_load_explicit(self->value, memory_order_acquire);
    uint32_t generation = atomic_load_explicit(self->generation, memory_order_relaxed);
    return generation == (uint32_t)(self->handle >> 32) ? CS_OK : CS_E_STALE;
}

static PyObject *counter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return named_new(type, args, kwargs, CS_SECTION_COUNTERS);
}

static PyObject *counter_value(PyObject *self, void *closure)
{
    (void)closure;
    uint64_t bits;
    int code = named_load((Named *)self, &bits);
    return code == CS_OK ? PyLong_FromUnsignedLongLong(bits) : fail(code, "counter.value", CS_TYPE_NONE, NULL);
}

static PyObject *counter_add(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    Named *counter = (Named *)self;
    PyObject *given[2];
    if (!arguments("counter.add", args, count, keywords, add_names, 0, 1, given)) {
        return NULL;
    }
    int64_t n = 1;
    uint64_t value;
    int code = is_closed(counter->anchor) ? CS_E_CLOSED : given[0] ? to_i64(given[0], &n) : CS_OK;
    if (code == CS_OK) {
        code = cs_counter_add(counter->anchor->view, counter->handle, n, &value);
    }
    if (code != CS_OK) {
        return fail(code, "counter.add", CS_TYPE_U64, given[0]);
    }
    return PyLong_FromUnsignedLongLong(value);
}

static PyObject *counter_set(PyObject *self, PyObject *value)
{
    Named *counter = (Named *)self;
    uint64_t number;
    int code = is_closed(counter->anchor) ? CS_E_CLOSED : to_u64(value, &number);
    if (code == CS_OK) {
        code = cs_counter_set(counter->anchor->view, counter->handle, number);
    }
    if (code != CS_OK) {
        return fail(code, "counter.set", CS_TYPE_U64, value);
    }
    Py_RETURN_NONE;
}

static PyObject *counter_compare_exchange(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    Named *counter = (Named *)self;
    PyObject *given[2];
    if (!arguments("counter.compare_exchange", args, count, keywords, exchange_names, 2, 2, given)) {
        return NULL;
    }
    uint64_t expected, desired;
    PyObject *culprit = given[0];
    int code = is_closed(counter->anchor) ? CS_E_CLOSED : to_u64(given[0], &expected);
    if (code == CS_OK) {
        culprit = given[1];
        code = to_u64(given[1], &desired);
    }
    if (code == CS_OK) {
        code = cs_counter_compare_exchange(counter->anchor->view, counter->handle, &expected, desired);
    }
    if (code == CS_OK || code == CS_E_MISMATCH) {
        return PyBool_FromLong(code == CS_OK);
    }
    return fail(code, "counter.compare_exchange", CS_TYPE_U64, culprit);
}

static PyMethodDef counter_methods[] = {
    {"add", (PyCFunction)(void (*)(void))counter_add, METH_FASTCALL | METH_KEYWORDS,
     "add($self, n=1)\n--\n\nAdd n, which may be negative; the new value. One atomic addition.\n\n"
     "RangeError, and nothing changed, when the sum is below zero or beyond 64 bits."},
    {"set", counter_set, METH_O, "set($self, value, /)\n--\n\nSet it, and wake who waits."},
    {"compare_exchange", (PyCFunction)(void (*)(void))counter_compare_exchange, METH_FASTCALL | METH_KEYWORDS,
     "compare_exchange($self, expected, desired)\n--\n\n"
     "Set to desired, and wake who waits, if it is expected; whether it was. Atomic."},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef counter_getset[] = {
    {"value", counter_value, NULL, "What it stands at. Two loads.", NULL},
    {"handle", named_handle, NULL, "The core's handle.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot counter_slots[] = {
    {Py_tp_new, counter_new},
    {Py_tp_dealloc, named_dealloc},
    {Py_tp_methods, counter_methods},
    {Py_tp_getset, counter_getset},
    {Py_tp_doc, "A named counter: 64 bits, unsigned, atomic."},
    {0, NULL},
};
static PyType_Spec counter_spec = {"corestate._hot.HotCounter", sizeof(Named), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, counter_slots};

static PyObject *gauge_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return named_new(type, args, kwargs, CS_SECTION_GAUGES);
}

static PyObject *gauge_value(PyObject *self, void *closure)
{
    (void)closure;
    uint64_t bits;
    int code = named_load((Named *)self, &bits);
    return code == CS_OK ? PyFloat_FromDouble(f64_of_bits(bits)) : fail(code, "gauge.value", CS_TYPE_NONE, NULL);
}

static PyObject *gauge_add(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    Named *gauge = (Named *)self;
    PyObject *given[2];
    if (!arguments("gauge.add", args, count, keywords, add_names, 0, 1, given)) {
        return NULL;
    }
    double n = 1.0, value;
    int code = is_closed(gauge->anchor) ? CS_E_CLOSED : given[0] ? to_f64(given[0], &n) : CS_OK;
    if (code == CS_OK) {
        code = cs_gauge_add(gauge->anchor->view, gauge->handle, n, &value);
    }
    if (code != CS_OK) {
        return fail(code, "gauge.add", CS_TYPE_F64, given[0]);
    }
    return PyFloat_FromDouble(value);
}

static PyObject *gauge_set(PyObject *self, PyObject *value)
{
    Named *gauge = (Named *)self;
    double number;
    int code = is_closed(gauge->anchor) ? CS_E_CLOSED : to_f64(value, &number);
    if (code == CS_OK) {
        code = cs_gauge_set(gauge->anchor->view, gauge->handle, number);
    }
    if (code != CS_OK) {
        return fail(code, "gauge.set", CS_TYPE_F64, value);
    }
    Py_RETURN_NONE;
}

static PyObject *gauge_compare_exchange(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    Named *gauge = (Named *)self;
    PyObject *given[2];
    if (!arguments("gauge.compare_exchange", args, count, keywords, exchange_names, 2, 2, given)) {
        return NULL;
    }
    double expected, desired;
    PyObject *culprit = given[0];
    int code = is_closed(gauge->anchor) ? CS_E_CLOSED : to_f64(given[0], &expected);
    if (code == CS_OK) {
        culprit = given[1];
        code = to_f64(given[1], &desired);
    }
    if (code == CS_OK) {
        code = cs_gauge_compare_exchange(gauge->anchor->view, gauge->handle, &expected, desired);
    }
    if (code == CS_OK || code == CS_E_MISMATCH) {
        return PyBool_FromLong(code == CS_OK);
    }
    return fail(code, "gauge.compare_exchange", CS_TYPE_F64, culprit);
}

static PyMethodDef gauge_methods[] = {
    {"add", (PyCFunction)(void (*)(void))gauge_add, METH_FASTCALL | METH_KEYWORDS,
     "add($self, n=1.0)\n--\n\nAdd n; the new value. Atomic.\n\nNotANumberError when n or the sum is none."},
    {"set", gauge_set, METH_O, "set($self, value, /)\n--\n\nSet it, and wake who waits."},
    {"compare_exchange", (PyCFunction)(void (*)(void))gauge_compare_exchange, METH_FASTCALL | METH_KEYWORDS,
     "compare_exchange($self, expected, desired)\n--\n\n"
     "Set to desired, and wake who waits, if it is expected, bit for bit; whether it was. Atomic."},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef gauge_getset[] = {
    {"value", gauge_value, NULL, "What it stands at. Two loads.", NULL},
    {"handle", named_handle, NULL, "The core's handle.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot gauge_slots[] = {
    {Py_tp_new, gauge_new},
    {Py_tp_dealloc, named_dealloc},
    {Py_tp_methods, gauge_methods},
    {Py_tp_getset, gauge_getset},
    {Py_tp_doc, "A named gauge: a float, atomic."},
    {0, NULL},
};
static PyType_Spec gauge_spec = {"corestate._hot.HotGauge", sizeof(Named), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                                 gauge_slots};

#endif
