/* Cells in the type JavaScript reads fastest. */
#include "instance.h"

double cs_wasm_engine_number(const cs_region *region, uint32_t field) { return (double)cs_engine_get(region, field); }

double cs_wasm_counter_number(const cs_region *region, cs_handle handle)
{
    uint64_t value;
    return cs_counter_get(region, handle, &value) == CS_OK ? (double)value : -1;
}

double cs_wasm_gauge_number(const cs_region *region, cs_handle handle)
{
    double value;
    return cs_gauge_get(region, handle, &value) == CS_OK ? value : __builtin_nan("");
}

static double result_of(int result, const uint64_t *value) { return result < 0 ? result : (double)*value; }

double cs_wasm_engine_add(cs_region *region, uint32_t field, int64_t n, uint64_t *value)
{
    return result_of(cs_engine_add(region, field, n, value), value);
}

double cs_wasm_counter_add(cs_region *region, cs_handle handle, int64_t n, uint64_t *value)
{
    return result_of(cs_counter_add(region, handle, n, value), value);
}
