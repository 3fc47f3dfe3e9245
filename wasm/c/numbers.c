/* Cells in the type JavaScript reads fastest. */
#include "instance.h"

/* All of it in one function: what is called so often is worth the bytes that -Oz would save. */
#define HOT __attribute__((flatten))

static cs_handle handle_of(uint32_t slot, uint32_t generation) { return (cs_handle)generation << 32 | slot; }

HOT double cs_wasm_engine_number(const cs_region *region, uint32_t field)
{
    return (double)cs_engine_get(region, field);
}

HOT double cs_wasm_counter_number(const cs_region *region, uint32_t slot, uint32_t generation)
{
    uint64_t value;
    return cs_counter_get(region, handle_of(slot, generation), &value) == CS_OK ? (double)value : -1;
}

HOT double cs_wasm_gauge_number(const cs_region *region, uint32_t slot, uint32_t generation)
{
    double value;
    return cs_gauge_get(region, handle_of(slot, generation), &value) == CS_OK ? value : __builtin_nan("");
}

static double result_of(int result, const uint64_t *value) { return result < 0 ? result : (double)*value; }

double cs_wasm_engine_add(cs_region *region, uint32_t field, double n, uint64_t *value)
{
    return result_of(cs_engine_add(region, field, (int64_t)n, value), value);
}

double cs_wasm_counter_add(cs_region *region, uint32_t slot, uint32_t generation, double n, uint64_t *value)
{
    return result_of(cs_counter_add(region, handle_of(slot, generation), (int64_t)n, value), value);
}
