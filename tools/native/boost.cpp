// Boost.Context: boost::context::fiber, switching from one to the next directly, as Boost.Fiber does.
#include <boost/context/fiber.hpp>
#include <boost/version.hpp>
#include <memory>
#include <utility>

#include "native.h"

namespace
{

struct context {
    boost::context::fiber fiber;
};

#include "fibers.h"

// The stack is the fiber's from the start: nothing is allocated.
struct given_stack {
    void *memory;

    boost::context::stack_context allocate()
    {
        boost::context::stack_context stack;

        stack.size = STACK_BYTES;
        stack.sp = static_cast<char *>(memory) + STACK_BYTES;
        return stack;
    }
    void deallocate(boost::context::stack_context &) noexcept
    {
    }
};

// What was left becomes its fiber's again; a body that returns goes on with the scheduler.
void context_make(fiber *made)
{
    new (&made->context) context{boost::context::fiber(std::allocator_arg, given_stack{made->stack},
                                                       [made](boost::context::fiber &&) -> boost::context::fiber {
                                                           made->body(made);
                                                           current = &scheduler;
                                                           return std::move(scheduler.context.fiber);
                                                       })};
}

void context_switch(fiber *from, fiber *to)
{
    std::move(to->context.fiber).resume_with([from](boost::context::fiber &&left_behind) {
        from->context.fiber = std::move(left_behind);
        return boost::context::fiber();
    });
}

const char *version()
{
    return BOOST_LIB_VERSION;
}

const char *const MANY = "a stack of 4 KiB each would be 4 GiB";

} // namespace

extern "C" const peer peer_boost = {
    .id = "boost",
    .column = "Boost",
    .title = "Boost.Context",
    .version = version,
    .how = "`boost::context::fiber`, `resume_with()` from one task straight to the next, as Boost.Fiber does; a linked "
           "list of ready ones. A wake from the same thread, once. Given stacks of 4 KiB",
    .slow = 1,
    .threads = false,
    .task_bytes = task_bytes,
    .tasks_most = 10000,
    .why_not_more = MANY,
    .wake_poll = {wake_poll_prepare, wake_poll_run, fiber_done, nullptr},
    .self_wake = {self_wake_prepare, self_wake_run, fiber_done, nullptr},
    .pingpong = {pingpong_prepare, fibers_run, fiber_done, nullptr},
    .spawn = {spawn_prepare, spawn_run, fiber_done, nullptr},
    .round_robin = {round_robin_prepare, fibers_run, fiber_done, nullptr},
    .channel = {channel_prepare, fibers_run, fiber_done, nullptr},
    .cross_thread = {nullptr, nullptr, nullptr, "its list is one thread's"},
    .timers = {nullptr, nullptr, nullptr, nullptr, "it has no timers"},
};
