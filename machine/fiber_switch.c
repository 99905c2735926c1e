#include "fiber_switch.h"

#include <stdint.h>

#if defined(__x86_64__) && !defined(__ILP32__)

/* A function call may change all registers but these six (System V), so no other is kept. The control
 * words of the floating-point units belong to the thread: nothing here changes them. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl sim_stack_switch\n"
        ".hidden sim_stack_switch\n"
        ".type sim_stack_switch, @function\n"
        "sim_stack_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size sim_stack_switch, . - sim_stack_switch\n"
        "\n"
        /* Where a new stack begins: entry in r13, its argument in r12. Debuggers stop here. */
        ".p2align 4\n"
        ".globl sim_stack_begin\n"
        ".hidden sim_stack_begin\n"
        ".type sim_stack_begin, @function\n"
        "sim_stack_begin:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    movq %r12, %rdi\n"
        "    callq *%r13\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size sim_stack_begin, . - sim_stack_begin\n");

void sim_stack_begin(void);

void *sim_stack_prepare(void *bottom, size_t size, void (*entry)(void *argument), void *argument)
{
    uint64_t *top = (uint64_t *)(((uintptr_t)bottom + size) & ~(uintptr_t)15);
    /* In the order in which sim_stack_switch takes them; sim_stack_begin finds the stack aligned to
     * 16 bytes, as a call wants it. */
    uint64_t *frame = top - 9;
    frame[0] = 0;                          /* r15 */
    frame[1] = 0;                          /* r14 */
    frame[2] = (uintptr_t)entry;           /* r13 */
    frame[3] = (uintptr_t)argument;        /* r12 */
    frame[4] = 0;                          /* rbx */
    frame[5] = 0;                          /* rbp: the last frame */
    frame[6] = (uintptr_t)sim_stack_begin; /* where it returns to */
    frame[7] = frame[8] = 0;
    return frame;
}

#else

#include <ucontext.h>

/* The context lies on the stack that it describes; its entry and argument beside it. */
struct begin {
    ucontext_t context;
    void (*entry)(void *argument);
    void *argument;
};

/* makecontext passes ints: a pointer goes in two. */
static void begin(unsigned high, unsigned low)
{
    struct begin *b = (struct begin *)(uintptr_t)((uint64_t)high << 32 | low);
    b->entry(b->argument);
    __builtin_trap();
}

void *sim_stack_prepare(void *bottom, size_t size, void (*entry)(void *argument), void *argument)
{
    struct begin *b = bottom;
    getcontext(&b->context);
    b->entry = entry;
    b->argument = argument;
    b->context.uc_link = NULL;
    b->context.uc_stack.ss_sp = b + 1;
    b->context.uc_stack.ss_size = size - sizeof(*b);
    uint64_t address = (uintptr_t)b;
    makecontext(&b->context, (void (*)(void))begin, 2, (unsigned)(address >> 32),
                (unsigned)address);
    return &b->context;
}

void sim_stack_switch(void **from, void *to)
{
    ucontext_t here; /* lives as long as this call, that is until somebody comes back */
    *from = &here;
    swapcontext(&here, to);
}

#endif
