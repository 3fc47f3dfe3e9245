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
