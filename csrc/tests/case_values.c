/* values.h: hot values, their marks, their room and what a dead writer leaves. */
#include "cases.h"

#define EPOCH 77u

static cs_region other;

static int put(cs_region *region, const char *key, const char *text, uint64_t version, uint32_t pinned)
{
    cs_value_info info = {.version = version, .length = suite_length(text), .tag = 5};
    uint32_t lock;
    int result = cs_value_lock_of(region, key, suite_length(key), &lock);
    if (result == CS_OK)
        result = cs_value_lock(region, lock, CS_FOREVER);
    if (result != CS_OK)
        return result;
    result = cs_value_publish(region, EPOCH, key, suite_length(key), text, &info, pinned);
    CHECK_RESULT(cs_value_unlock(region, lock), CS_OK);
    return result;
}

static int get(const cs_region *region, const char *key, char out[128], cs_value_info *info)
{
    suite_fill(out, 0, 128);
    return cs_value_get(region, EPOCH, key, suite_length(key), out, 127, info);
}

void case_value(void)
{
    char out[128];
    cs_value_info info;
    uint32_t lock;
    cs_region *region = suite_open(0, 0);
    NEED(region);
    CHECK_RESULT(get(region, "key", out, &info), CS_E_NOT_FOUND);
    CHECK_RESULT(cs_value_publish(region, EPOCH, "key", 3, "v", &info, 0), CS_E_NOT_OWNER);
    CHECK_RESULT(put(region, "key", "first", 1, 0), CS_OK);
    CHECK_RESULT(get(region, "key", out, &info), CS_OK);
    CHECK_TEXT(out, "first");
    CHECK_EQUAL(info.version, 1);
    CHECK_EQUAL(info.tag, 5);
    CHECK_RESULT(get(region, "kez", out, &info), CS_E_NOT_FOUND);
    CHECK_RESULT(put(region, "key", "the second, which is longer than the first", 2, 0), CS_OK);
    CHECK_RESULT(get(region, "key", out, &info), CS_OK);
    CHECK_TEXT(out, "the second, which is longer than the first");
    CHECK_EQUAL(info.version, 2);
    CHECK_RESULT(cs_value_get(region, EPOCH, "key", 3, out, 3, &info), CS_E_TOO_BIG);
    CHECK_EQUAL(info.length, 42);
    CHECK_RESULT(cs_value_get(region, EPOCH + 1, "key", 3, out, 128, &info), CS_E_NOT_FOUND);
    CHECK_RESULT(cs_value_lock_of(region, "key", 3, &lock), CS_OK);
    CHECK_RESULT(cs_value_lock(region, 1000, 0), CS_E_INVALID);
    CHECK_RESULT(cs_value_unlock(region, lock), CS_E_NOT_OWNER);
    CHECK_RESULT(put(region, "", "the empty key", 1, 0), CS_OK);
    CHECK_RESULT(get(region, "", out, &info), CS_OK);
    CHECK_TEXT(out, "the empty key");
    suite_close(0);

    cs_config none = suite_config();
    none.values = 0;
    region = suite_open(0, &none);
    NEED(region);
    CHECK_RESULT(get(region, "key", out, &info), CS_E_NOT_FOUND);
    CHECK_RESULT(put(region, "key", "first", 1, 0), CS_E_UNSUPPORTED);
    suite_close(0);
}

void case_value_marks(void)
{
    char out[128];
    cs_value_info info;
    uint32_t lock;
    cs_region *region = suite_open(0, 0);
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    CHECK_RESULT(put(region, "key", "old", 1, 0), CS_OK);
    CHECK_RESULT(cs_value_lock_of(region, "key", 3, &lock), CS_OK);
    CHECK_RESULT(cs_value_lock(region, lock, CS_FOREVER), CS_OK);
    CHECK_RESULT(cs_value_lock(&other, lock, 0), CS_E_TIMEOUT);
    CHECK_RESULT(get(&other, "key", out, &info), CS_OK); /* a lock alone hides nothing */
    CHECK_RESULT(cs_value_mark(region, "key", 3), CS_OK);
    CHECK_RESULT(get(&other, "key", out, &info), CS_E_BUSY);
    CHECK_RESULT(cs_value_mark(&other, "key", 3), CS_E_NOT_OWNER);
    info = (cs_value_info){.version = 2, .length = 3};
    CHECK_RESULT(cs_value_publish(region, EPOCH, "key", 3, "new", &info, 0), CS_OK);
    CHECK_RESULT(get(&other, "key", out, &info), CS_OK);
    CHECK_TEXT(out, "new");
    CHECK_RESULT(cs_value_mark(region, "key", 3), CS_OK); /* given up: an unlock clears what is left marked */
    CHECK_RESULT(cs_value_unlock(region, lock), CS_OK);
    CHECK_RESULT(get(&other, "key", out, &info), CS_E_NOT_FOUND);
    CHECK_RESULT(put(region, "key", "again", 3, 0), CS_OK);
    CHECK_RESULT(cs_value_lock(&other, lock, CS_FOREVER), CS_OK);
    CHECK_RESULT(cs_value_drop(&other, "key", 3), CS_OK);
    CHECK_RESULT(cs_value_unlock(&other, lock), CS_OK);
    CHECK_RESULT(get(region, "key", out, &info), CS_E_NOT_FOUND);
    cs_region_detach(&other);
    suite_close(0);
}

static int anywhere(const char *text)
{
    for (const unsigned char *at = suite_block[0], *end = at + sizeof suite_block[0] - 16; at < end; at++)
        if (suite_same(at, text, suite_length(text)))
            return 1;
    return 0;
}

void case_value_erased(void)
{
    cs_value_info info = {.version = 1};
    char out[128];
    uint32_t lock;
    cs_config c = suite_config();
    c.values = 8; /* all keys under one lock */
    cs_region *region = suite_open(0, &c);
    NEED(region);
    CHECK_RESULT(put(region, "key", "a long secret at its end", 1, 0), CS_OK);
    CHECK_RESULT(put(region, "key", "a short one", 2, 0), CS_OK);
    CHECK_RESULT(put(region, "other", "kept", 1, 0), CS_OK); /* where the first was */
    CHECK(anywhere("at its end"));
    CHECK_RESULT(cs_value_lock_of(region, "key", 3, &lock), CS_OK);
    CHECK_RESULT(cs_value_lock(region, lock, CS_FOREVER), CS_OK);
    CHECK_RESULT(cs_value_drop(region, "key", 3), CS_OK);
    CHECK_RESULT(cs_value_unlock(region, lock), CS_OK);
    CHECK(!anywhere("at its end"));
    CHECK(!anywhere("a short one"));
    CHECK_RESULT(get(region, "key", out, &info), CS_E_NOT_FOUND);
    CHECK_RESULT(get(region, "other", out, &info), CS_OK);
    CHECK_TEXT(out, "kept");
    suite_close(0);
}

void case_value_room(void)
{
    char out[128], name[64], large[128];
    cs_value_info info;
    cs_config c = suite_config();
    cs_region *region = suite_open(0, 0);
    NEED(region);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < 100; i++) { /* never an error, never a wrong answer */
        CHECK_RESULT(put(region, suite_name(name, "key", i), suite_name(out, "value", i), i, 0), CS_OK);
        for (uint32_t j = 0; j <= i; j++) {
            char wanted[64];
            int result = get(region, suite_name(name, "key", j), out, &info);
            CHECK(result == CS_OK || (result == CS_E_NOT_FOUND && j < i));
            if (result == CS_OK) {
                CHECK_TEXT(out, suite_name(wanted, "value", j));
                CHECK_EQUAL(info.version, j);
            }
            kept += i == 99 && result == CS_OK;
        }
    }
    CHECK_EQUAL(kept, c.values);
    suite_fill(large, 'x', sizeof large);
    large[c.value_bytes - 8] = 0;
    CHECK_RESULT(put(region, "key99", large, 1, 0), CS_OK);
    large[c.value_bytes - 8] = 'x';
    large[c.value_bytes - 7] = 0;
    CHECK_RESULT(put(region, "key99", large, 2, 0), CS_E_TOO_BIG);
    CHECK_RESULT(get(region, "key99", out, &info), CS_E_NOT_FOUND); /* the old one does not count any more */
    suite_close(0);
}

void case_value_pinned(void)
{
    char out[128], name[64];
    unsigned char key[64];
    cs_value_info info;
    uint32_t pinned = 0, cursor = 0, length = 0, walked = 0;
    cs_config c = suite_config();
    cs_region *region = suite_open(0, 0);
    NEED(region);
    for (uint32_t i = 0; i < 3; i++)
        pinned += CHECK_RESULT(put(region, suite_name(name, "pin", i), "kept", 1, 1), CS_OK) != 0;
    for (uint32_t i = 0; i < 50; i++)
        CHECK_RESULT(put(region, suite_name(name, "key", i), "goes", 1, 0), CS_OK);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_RESULT(get(region, suite_name(name, "pin", i), out, &info), CS_OK);
        CHECK_TEXT(out, "kept");
        CHECK_RESULT(put(region, name, "kept, changed", 2, 1), CS_OK);
        CHECK_RESULT(get(region, name, out, &info), CS_OK);
        CHECK_TEXT(out, "kept, changed");
    }
    while (cs_value_next(region, EPOCH, &cursor, key, sizeof key, &length) == CS_OK)
        walked += length == 4 && suite_same(key, "pin", 3);
    CHECK_EQUAL(walked, 3);
    cursor = 0;
    CHECK_RESULT(cs_value_next(region, EPOCH + 1, &cursor, key, sizeof key, &length), CS_E_NOT_FOUND);
    uint32_t full = 0;
    for (uint32_t i = 3; i < 200 && !full; i++) {
        int result = put(region, suite_name(name, "pin", i), "kept", 1, 1);
        CHECK(result == CS_OK || result == CS_E_FULL);
        full = result == CS_E_FULL;
        pinned += result == CS_OK;
    }
    CHECK(full);
    CHECK(pinned <= c.values);
    CHECK_RESULT(get(region, "pin0", out, &info), CS_OK);
    suite_close(0);
}

void case_p3_dead_value_writer(void)
{
    char out[128];
    cs_value_info info;
    uint32_t lock;
    cs_region *region = suite_open(0, 0);
    NEED(region);
    NEED(CHECK_RESULT(suite_join(&other, 0, 0), CS_OK));
    CHECK_RESULT(put(region, "key", "old", 1, 0), CS_OK);
    CHECK_RESULT(cs_value_lock_of(region, "key", 3, &lock), CS_OK);
    CHECK_RESULT(cs_value_lock(&other, lock, CS_FOREVER), CS_OK);
    CHECK_RESULT(cs_value_mark(&other, "key", 3), CS_OK);
    suite_kill(&other, 0);
    CHECK_RESULT(get(region, "key", out, &info), CS_E_BUSY); /* only the store knows */
    CHECK_RESULT(cs_value_lock(region, lock, CS_FOREVER), CS_OK);
    CHECK_RESULT(get(region, "key", out, &info), CS_E_NOT_FOUND);
    info = (cs_value_info){.version = 9, .length = 3};
    CHECK_RESULT(cs_value_publish(region, EPOCH, "key", 3, "now", &info, 0), CS_OK);
    CHECK_RESULT(cs_value_unlock(region, lock), CS_OK);
    CHECK_RESULT(get(region, "key", out, &info), CS_OK);
    CHECK_TEXT(out, "now");
    suite_close(0);
}
