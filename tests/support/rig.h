/*
 * A domain, an engine and a queue, for tests that are run on every engine that moves bytes.
 */
#ifndef DRAY_TESTS_RIG_H
#define DRAY_TESTS_RIG_H

#include "dray/dray.h"
#include "test.h"

/* One way to have an engine. */
struct rig_config {
    const char *label;
    const char *engine;
    enum dray_mode mode;
    unsigned workers;
    const char *kernels; /* NULL: the engine's own, or the best */
};

struct rig {
    const struct rig_config *config;
    struct dray_domain *domain;
    struct dray_engine *engine;
    struct dray_queue *queue;
};

/* All configurations of engines that work on this computer's own memory; those that this processor cannot
 * run are left out, with a line that says so. */
size_t rig_configs(const struct rig_config **configs);

/* Runs every test once for each configuration; the tests' state is a struct rig with a queue of 64
 * descriptors. Returns the number of failures. */
int rig_run_host_tests(const char *group, const struct CMUnitTest *tests, size_t count);

/* The same, and on a modelled machine too: for what needs memory and flags, and no thread beside. */
int rig_run_tests(const char *group, const struct CMUnitTest *tests, size_t count);

/* The same, but once for each way of working: for what does not depend on the kernels. */
int rig_run_tests_by_mode(const char *group, const struct CMUnitTest *tests, size_t count);

void rig_open(struct rig *rig, const struct rig_config *config, uint32_t depth);
void rig_close(struct rig *rig);
bool rig_is_model(const struct rig *rig);

/* A descriptor to fill; there must be room. */
struct dray_desc *rig_get(struct rig *rig);
/* Submits what was filled and waits for one completion, which is copied and given back. */
struct dray_completion rig_finish(struct rig *rig);
struct dray_completion rig_wait(struct rig *rig);

/* Whether this configuration moves megabytes in no time: not pio, not plain C under a sanitizer. */
bool rig_is_fast(const struct rig *rig);

/* Maps memory, or fails the test. */
dray_key rig_map(struct rig *rig, void *base, size_t size, unsigned access);

/* The oldest fault record; fails the test if there is none. */
struct dray_fault rig_fault(struct rig *rig);

#define assert_status(completion, expected) \
    assert_string_equal(dray_status_name((completion).status), dray_status_name(expected))

#endif
