/*
 * Which build this is, in memory where it can be looked for before anything runs on that memory: instances of different
 * builds would disagree about where things are. The builder defines CS_WASM_BUILD.
 */
#include "instance.h"

struct cs_wasm_stamp {
    char magic[16];
    uint64_t build;
};

extern const struct cs_wasm_stamp cs_wasm_stamp;
CS_API const struct cs_wasm_stamp cs_wasm_stamp = {"corestate-wasm", CS_WASM_BUILD};
