/*
 * HotEngine: the engine's states and numbers as properties. Included by _hot.c alone.
 */
#ifndef CORESTATE_HOT_ENGINE_H
#define CORESTATE_HOT_ENGINE_H

#include "_hot_anchor.h"

typedef struct {
    PyObject_HEAD Anchor *anchor;
    PyObject *states; /* a tuple a state: what its values read as */
    const _Atomic uint64_t *cells[CS_ENGINE_FIELDS];
} Engine;

static uint32_t index_of(void *closure) { return (uint32_t)(uintptr_t)closure; }

static PyObject *engine_fail(int code, const char *field, uint32_t kind, PyObject *found)
{
    char what[80];
    PyOS_snprintf(what, sizeof what, "engine.%s", field);
    return fail(code, what, kind, found);
}

static PyObject *engine_get_u64(PyObject *self, void *closure)
{
    Engine *engine = (Engine *)self;
    if (is_closed(engine->anchor)) {
        return engine_fail(CS_E_CLOSED, cs_engine_field_name(index_of(closure)), CS_TYPE_NONE, NULL);
    }
    return PyLong_FromUnsignedLongLong(atomic_load_explicit(engine->cells[(uintptr_t)closure], memory_order_acquire));
}

static PyObject *engine_get_f64(PyObject *self, void *closure)
{
    Engine *engine = (Engine *)self;
    if (is_closed(engine->anchor)) {
        return engine_fail(CS_E_CLOSED, cs_engine_field_name(index_of(closure)), CS_TYPE_NONE, NULL);
    }
    return PyFloat_FromDouble(
        f64_of_bits(atomic_load_explicit(engine->cells[(uintptr_t)closure], memory_order_acquire)));
}

static PyObject *engine_get_bool(PyObject *self, void *closure)
{
    Engine *engine = (Engine *)self;
    if (is_closed(engine->anchor)) {
        return engine_fail(CS_E_CLOSED, cs_engine_field_name(index_of(closure)), CS_TYPE_NONE, NULL);
    }
    return PyBool_FromLong(atomic_load_explicit(engine->cells[(uintptr_t)closure], memory_order_acquire) != 0);
}

static int cannot_delete(const char *field)
{
    PyErr_Format(PyExc_AttributeError, "engine.%s: expected a value, found del; a field can be set, not deleted",
                 field);
    return -1;
}

static int engine_set_u64(PyObject *self, PyObject *value, void *closure)
{
    Engine *engine = (Engine *)self;
    uint32_t field = index_of(closure);
    if (value == NULL) {
        return cannot_delete(cs_engine_field_name(field));
    }
    if (is_closed(engine->anchor)) {
        engine_fail(CS_E_CLOSED, cs_engine_field_name(field), CS_TYPE_NONE, NULL);
        return -1;
    }
    uint64_t number = 0;
    int code = to_u64(value, &number);
    if (code == CS_OK) {
        code = cs_engine_set(engine->anchor->view, field, number);
    }
    if (code != CS_OK) {
        engine_fail(code, cs_engine_field_name(field), cs_engine_field_type(field), value);
        return -1;
    }
    return 0;
}

static int engine_set_f64(PyObject *self, PyObject *value, void *closure)
{
    Engine *engine = (Engine *)self;
    uint32_t field = index_of(closure);
    if (value == NULL) {
        return cannot_delete(cs_engine_field_name(field));
    }
    if (is_closed(engine->anchor)) {
        engine_fail(CS_E_CLOSED, cs_engine_field_name(field), CS_TYPE_NONE, NULL);
        return -1;
    }
    double number = 0.0;
    int code = to_f64(value, &number);
    if (code == CS_OK) {
        code = cs_engine_set_f64(engine->anchor->view, field, number);
    }
    if (code != CS_OK) {
        engine_fail(code, cs_engine_field_name(field), cs_engine_field_type(field), value);
        return -1;
    }
    return 0;
}

static PyObject *engine_get_state(PyObject *self, void *closure)
{
    Engine *engine = (Engine *)self;
    if (is_closed(engine->anchor)) {
        return engine_fail(CS_E_CLOSED, cs_engine_state_name(index_of(closure)), CS_TYPE_NONE, NULL);
    }
    uint32_t value = cs_engine_state(engine->anchor->view, index_of(closure));
    PyObject *members = PyTuple_GetItem(engine->states, (Py_ssize_t)index_of(closure));
    PyObject *member = members ? PyTuple_GetItem(members, (Py_ssize_t)value) : NULL;
    Py_XINCREF(member);
    return member;
}

/* The subclass sets states, through cffi: that may block behind another writer of the same state. */
static int engine_set_state(PyObject *self, PyObject *value, void *closure)
{
    if (value == NULL) {
        return cannot_delete(cs_engine_state_name(index_of(closure)));
    }
    PyObject *done = PyObject_CallMethod(self, "set_state", "IO", (unsigned int)index_of(closure), value);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *engine_add(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"name", "n"};
    Engine *engine = (Engine *)self;
    PyObject *given[2];
    if (!arguments("engine.add", args, count, keywords, names, 1, 2, given)) {
        return NULL;
    }
    if (is_closed(engine->anchor)) {
        return fail(CS_E_CLOSED, "engine.add", CS_TYPE_NONE, NULL);
    }
    Py_ssize_t length = 0;
    const char *name = PyUnicode_AsUTF8AndSize(given[0], &length);
    if (name == NULL) {
        PyErr_Clear(); /* not a str, or with code points that have no UTF-8 */
        return fail(WRONG_TYPE, "engine.add", CS_TYPE_NONE, given[0]);
    }
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++) {
        const char *candidate = cs_engine_field_name(field);
        if (candidate == NULL || strcmp(candidate, name) != 0 || strlen(candidate) != (size_t)length) {
            continue;
        }
        int64_t n = 1;
        uint64_t value = 0;
        int code = given[1] ? to_i64(given[1], &n) : CS_OK;
        if (code == CS_OK) {
            code = cs_engine_add(engine->anchor->view, field, n, &value);
        }
        if (code != CS_OK) {
            return fail(code, "engine.add", CS_TYPE_U64, code == CS_E_INVALID ? given[0] : given[1]);
        }
        return PyLong_FromUnsignedLongLong(value);
    }
    return fail(CS_E_INVALID, "engine.add", CS_TYPE_NONE, given[0]);
}

static PyObject *engine_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *candidate;
    PyObject *states;
    static char *names[] = {"anchor", "states", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO", names, &candidate, &states)) {
        return NULL;
    }
    Anchor *anchor = anchor_argument(candidate);
    if (anchor == NULL) {
        return NULL;
    }
    if (!PyTuple_Check(states) || PyTuple_Size(states) != CS_STATES) {
        PyErr_SetString(PyExc_TypeError, "expected a tuple with a tuple of members for each state");
        return NULL;
    }
    for (uint32_t state = 0; state < CS_STATES; state++) {
        PyObject *members = PyTuple_GetItem(states, (Py_ssize_t)state);
        if (!PyTuple_Check(members) || PyTuple_Size(members) != (Py_ssize_t)cs_engine_state_max(state) + 1) {
            PyErr_Format(PyExc_TypeError, "expected a tuple of %u members for %s", cs_engine_state_max(state) + 1,
                         cs_engine_state_name(state));
            return NULL;
        }
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Engine *self = (Engine *)allocate(type, 0);
    if (self != NULL) {
        Py_INCREF(anchor);
        self->anchor = anchor;
        Py_INCREF(states);
        self->states = states;
        for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++) {
            self->cells[field] = (const _Atomic uint64_t *)cs_engine_cell(anchor->view, field);
        }
    }
    return (PyObject *)self;
}

static void engine_dealloc(PyObject *self)
{
    Py_CLEAR(((Engine *)self)->anchor);
    Py_CLEAR(((Engine *)self)->states);
    release(self);
}

/* One property a field and state, under the names the core gives them; filled when the module is made. */
static PyGetSetDef engine_getset[CS_ENGINE_FIELDS + CS_STATES + 1];

static void fill_engine_getset(void)
{
    PyGetSetDef *next = engine_getset;
    for (uint32_t field = 0; field < CS_ENGINE_FIELDS; field++) {
        uint32_t kind = cs_engine_field_type(field);
        if (kind == CS_TYPE_NONE) {
            continue;
        }
        next->name = cs_engine_field_name(field);
        next->closure = (void *)(uintptr_t)field;
        next->get = kind == CS_TYPE_U64 ? engine_get_u64 : kind == CS_TYPE_BOOL ? engine_get_bool : engine_get_f64;
        next->set = field >= CS_ENGINE_CELLS                      ? NULL
                    : kind == CS_TYPE_U64 || kind == CS_TYPE_BOOL ? engine_set_u64
                                                                  : engine_set_f64;
        next->doc = kind == CS_TYPE_U64       ? "64 bits, unsigned. One load."
                    : kind == CS_TYPE_PERCENT ? "Percent, 0 to 100. One load."
                    : kind == CS_TYPE_BOOL    ? "True or False. One load."
                                              : "A float, not negative. One load.";
        next++;
    }
    for (uint32_t state = 0; state < CS_STATES; state++, next++) {
        next->name = cs_engine_state_name(state);
        next->closure = (void *)(uintptr_t)state;
        next->get = engine_get_state;
        next->set = engine_set_state;
        next->doc = "A state; each change is an event. Reading is one load.";
    }
}

static PyMethodDef engine_methods[] = {
    {"add", (PyCFunction)(void (*)(void))engine_add, METH_FASTCALL | METH_KEYWORDS,
     "add($self, name, n=1)\n--\n\nAdd n, which may be negative, to an unsigned field; the new value. Atomic.\n\n"
     "InvalidError when there is no such field, RangeError, and nothing changed, when the sum is below zero or beyond 64\n"
     "bits."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot engine_slots[] = {
    {Py_tp_new, engine_new},
    {Py_tp_dealloc, engine_dealloc},
    {Py_tp_methods, engine_methods},
    {Py_tp_getset, engine_getset},
    {Py_tp_doc, "The engine's states and numbers as properties under the names the core gives them."},
    {0, NULL},
};
static PyType_Spec engine_spec = {"corestate._hot.HotEngine", sizeof(Engine), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, engine_slots};

#endif
