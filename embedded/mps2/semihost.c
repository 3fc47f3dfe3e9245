#include "semihost.h"

#include <stddef.h>

enum {
    SYS_OPEN = 1,
    SYS_CLOSE = 2,
    SYS_WRITE0 = 4,
    SYS_WRITE = 5,
    SYS_READ = 6,
    SYS_TIME = 0x11,
    SYS_GET_CMDLINE = 0x15
};
enum { SYS_EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };
enum { MODE_RB = 1, MODE_WB = 5 };

static int32_t call(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

static uint32_t length_of(const char *text)
{
    uint32_t length = 0;
    while (text[length])
        length++;
    return length;
}

void semihost_write(const char *text) { (void)call(SYS_WRITE0, text); }

void semihost_exit(int status)
{
    const uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)status};
    for (;;)
        (void)call(SYS_EXIT_EXTENDED, block);
}

const char *semihost_arguments(void)
{
    static char line[256];
    uint32_t block[2] = {(uint32_t)(uintptr_t)line, sizeof line};
    if (call(SYS_GET_CMDLINE, block) != 0)
        return "";
    const char *at = line;
    while (*at && *at != ' ')
        at++;
    return *at ? at + 1 : at;
}

static int32_t transfer(const char *path, uint32_t mode, uint32_t operation, const void *bytes, uint32_t length)
{
    const uint32_t open[3] = {(uint32_t)(uintptr_t)path, mode, length_of(path)};
    int32_t file = call(SYS_OPEN, open);
    if (file < 0)
        return -1;
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)(uintptr_t)bytes, length};
    int32_t left = call(operation, block);
    const uint32_t close[1] = {(uint32_t)file};
    (void)call(SYS_CLOSE, close);
    return left < 0 || (uint32_t)left > length ? -1 : (int32_t)length - left;
}

int32_t semihost_load(const char *path, void *to, uint32_t capacity)
{
    return transfer(path, MODE_RB, SYS_READ, to, capacity);
}

int32_t semihost_save(const char *path, const void *from, uint32_t length)
{
    int32_t written = transfer(path, MODE_WB, SYS_WRITE, from, length);
    return written == (int32_t)length ? written : -1;
}

uint32_t semihost_time(void) { return (uint32_t)call(SYS_TIME, 0); }

void semihost_number(const char *text, uint64_t number)
{
    char digits[24];
    uint32_t at = sizeof digits - 1;
    digits[at] = 0;
    do {
        uint64_t tenth = number / 10;
        digits[--at] = (char)('0' + (number - tenth * 10));
        number = tenth;
    } while (number);
    semihost_write(text);
    semihost_write(digits + at);
}
