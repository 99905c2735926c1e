/*
 * Gathers two pieces of memory into a file: one transaction of two descriptors, one completion.
 *
 *      cc hello.c $(pkg-config --cflags --libs dray) && ./a.out
 */
#include <dray/dray.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The control plane returns 0 or -errno. */
static void check(int err, const char *what)
{
    if (err) {
        fprintf(stderr, "hello: %s: %s\n", what, strerror(-err));
        exit(1);
    }
}

int main(void)
{
    struct dray_domain *domain;
    struct dray_engine *engine;
    struct dray_queue *queue;
    check(dray_domain_create(&domain, NULL), "domain");
    check(dray_engine_open(&engine, domain, "auto", NULL), "engine");
    check(dray_queue_create(&queue, engine, NULL), "queue");

    /* Regions get keys: what an engine may reach, and how. */
    static char text[] = "world, hello ";
    FILE *file = tmpfile();
    dray_key in, out;
    check(file ? 0 : -1, "temporary file");
    check(dray_map_memory(domain, text, strlen(text), DRAY_READ, &in), "map memory");
    check(dray_map_file(domain, fileno(file), DRAY_WRITE, &out), "map file");

    /* Fill, publish and ring, reap. */
    struct dray_desc *d = dray_queue_get(queue);
    dray_prep_copy(d, out, 0, in, 7, 6); /* "hello " */
    d->flags = DRAY_FLAG_CHAIN;
    d = dray_queue_get(queue);
    dray_prep_copy(d, out, 6, in, 0, 5); /* "world" */
    d->user_data = 42;
    dray_queue_submit(queue);

    const struct dray_completion *done;
    check(dray_queue_wait(queue, &done, 1000000000), "wait");
    printf("transaction %d: %s, %d bytes\n", (int)done->user_data, dray_status_name(done->status),
           (int)done->moved);
    int failed = done->status != DRAY_STATUS_OK;
    dray_queue_seen(queue, 1);

    char back[12] = "";
    rewind(file);
    puts(fgets(back, sizeof(back), file) ? back : "nothing");

    /* Release reverses acquisition. */
    dray_unmap(domain, out);
    dray_unmap(domain, in);
    dray_queue_destroy(&queue);
    dray_engine_close(&engine);
    dray_domain_destroy(&domain);
    fclose(file);
    return failed || strcmp(back, "hello world") != 0;
}
