/* What the tests of domains share. */
#ifndef DRAY_TESTS_DOMAIN_HELP_H
#define DRAY_TESTS_DOMAIN_HELP_H

#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "domain/region.h"

enum {
    BOTH = DRAY_READ | DRAY_WRITE
};

static inline struct dray_domain *domain_new(uint32_t regions_max)
{
    struct dray_domain *domain;
    struct dray_domain_options options = { .size = sizeof(options), .regions_max = regions_max };
    assert_int_equal(dray_domain_create(&domain, &options), 0);
    return domain;
}

static inline void assert_error(struct dray_domain *domain, const char *part)
{
    char text[256];
    dray_domain_error(domain, text, sizeof(text));
    if (!strstr(text, part))
        fail_msg("the sentence is \"%s\", without \"%s\"", text, part);
}

/* Looks up as an engine does. */
static inline enum dray_status look(struct dray_domain *domain, dray_key key, uint64_t offset,
                                    uint64_t length, unsigned access, const struct dray_slot **slot)
{
    struct dray_reader reader;
    dray_reader_register(domain, &reader);
    dray_reader_enter(dray_domain_table(domain), &reader);
    enum dray_status status =
        dray_resolve(dray_domain_table(domain), key, offset, length, access, slot);
    dray_reader_leave(&reader);
    dray_reader_unregister(domain, &reader);
    return status;
}

/* An empty file that has no name any more. */
static inline int file_new(int flags)
{
    char name[] = "/tmp/dray-domain-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    close(fd);
    fd = open(name, flags | O_CLOEXEC);
    unlink(name);
    assert_true(fd >= 0);
    return fd;
}

#endif
